/** What the demo does: starts everything, waits until the mirror is done, and proves it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client } from '@aws-sdk/client-s3';
import { folderUploads, generatedUploads, laterUpload, load } from './demo-data.ts';
import { countInstances, holds, waitUntil } from './demo-servers.ts';
import { synthesize } from './demo-synthesize.ts';
import { type OrthancServer, startOrthanc } from './orthanc-server.ts';
import { bucketPlace, orthancPlace, type Proof, prove } from './prove.ts';
import { type LocalStack, startLocalStack } from './stack/local-stack.ts';
import { post } from './upload.ts';

/** The stack looks at the source every minute; the demo does not make anybody wait for that. */
const scheduleMinuteMs = 2000;
/** Copying a large instance shows no progress meanwhile. */
const patienceMs = 120_000;
const mirrorName = 'demo';

interface Scene {
  readonly source: OrthancServer;
  readonly target: OrthancServer;
  readonly stack: LocalStack;
}

/** Runs the demo; everything that it started is stopped afterwards, the archive in `folder` stays. */
export async function demo(folder: string, dataFolder: string | undefined): Promise<Proof> {
  await using parts = new AsyncDisposableStack();
  say('starting two Orthanc servers');
  const source = parts.use(await startOrthanc());
  const target = parts.use(await startOrthanc());
  say(`  source ${source.url} (Orthanc ${source.version}), target ${target.url} (Orthanc ${target.version})`);

  say(dataFolder === undefined ? 'loading generated DICOM into the source' : `loading ${dataFolder} into the source`);
  const uploads = dataFolder === undefined ? generatedUploads() : await folderUploads(dataFolder);
  const { taken, refused } = await load(source.url, uploads).catch((cause: unknown) => {
    throw new Error('the source broke off while it was loaded: a file may have ended the server; leave it out', {
      cause,
    });
  });
  say(`  ${taken} files taken (${await countInstances(source.url)} instances), ${refused} refused as no valid DICOM`);

  say('synthesizing the cloud stack');
  const work = await mkdtemp(join(tmpdir(), 'orthanc-mirror-demo-'));
  parts.defer(() => rm(work, { recursive: true, force: true }));
  const templateFolder = await synthesize(configurationOf(source, target), work);

  say('running the stack on this machine');
  let stopping = false;
  const onFailure = (error: Error) => {
    if (!stopping && !isTooEarly(error)) say(`  the stack reports: ${error.message}`);
  };
  const stack = await startLocalStack({ templateFolder, stateFolder: folder, scheduleMinuteMs, onFailure });
  parts.defer(() => {
    stopping = true;
    return stack.stop();
  });

  const scene = { source, target, stack };
  await waitForMirror(scene);
  await showChangeFeed(scene);
  say('proving: listing both servers and the archive, downloading and hashing every file');
  // Awaited here: the servers are stopped when this function returns.
  return await proveScene(scene);
}

/** All functions begin at once; those that read the archive come again, when the scheduler has made it. */
function isTooEarly({ message }: Error): boolean {
  return message.includes('holds no archive yet');
}

function configurationOf(source: OrthancServer, target: OrthancServer): unknown {
  return {
    mirrors: { [mirrorName]: { source: { url: source.url }, targets: { target: { url: target.url } }, archive: {} } },
    cloud: { allowPrivateNetworks: true },
  };
}

async function waitForMirror({ source, target, stack }: Scene): Promise<void> {
  const wanted = await countInstances(source.url);
  const observe = async () => {
    const arrived = await countInstances(target.url);
    return { done: arrived >= wanted && stack.idle(), progress: `  ${arrived} of ${wanted} instances at the target` };
  };
  const arrived = await waitUntil(observe, patienceMs, say);
  if (!arrived) say('  nothing has moved for two minutes; going on to the proof');
  for (const { body, attributes } of stack.deadLetters())
    say(`  not copied: ${body} (${attributes.reason ?? 'no reason'})`);
}

async function showChangeFeed({ source, target, stack }: Scene): Promise<void> {
  say('adding one instance to the source; only its change feed tells of it');
  const answer = await post(source.url, laterUpload());
  if (answer.kind === 'refused') throw new Error(`the source refused a generated instance with ${answer.status}`);
  const addedAtMs = performance.now();
  const observe = async () => ({ done: (await holds(target.url, answer.id)) && stack.idle(), progress: '' });
  if (!(await waitUntil(observe, patienceMs))) return say('  it has not arrived');
  say(`  ${answer.id} arrived after ${((performance.now() - addedAtMs) / 1000).toFixed(1)} s`);
}

async function proveScene({ source, target, stack }: Scene): Promise<Proof> {
  const bucket = stack.bucketNames.find((name) => name.includes('archive'));
  if (bucket === undefined) throw new Error('the stack has no archive bucket');
  const client = new S3Client({
    endpoint: stack.s3Endpoint,
    forcePathStyle: true,
    region: 'us-east-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  });
  try {
    return await prove([
      orthancPlace('source', source.url),
      orthancPlace('target', target.url),
      bucketPlace('archive', client, bucket, `${mirrorName}/`),
    ]);
  } finally {
    client.destroy();
  }
}

function say(line: string): void {
  console.error(line);
}
