/** The function of the synthesized stack that opens archives: who is answered, with what, and what it leaves alone. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { md5Of } from '../../core/identifiers.ts';
import { emptyLog, follow } from '../../core/open/web/access-line.ts';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';
import { type LocalStack, startLocalStack } from '../../local/stack/local-stack.ts';
import { copyArchive, makeArchive } from '../support/open/generated-archive.ts';
import { partsOf } from '../support/open/multipart.ts';
import { archiveInstance, archiveSidecar, instanceOf } from '../support/open/written-instance.ts';
import { synthesizeStack } from './stack-synth.ts';

const caller = 'arn:aws:sts::000000000000:assumed-role/radiology/anna';
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
const study = '/main/dicom-web/studies/1.2.1';
const written = [
  instanceOf({ name: 'SECRETNAME^JANE' }),
  instanceOf({ name: 'SECRETNAME^JANE', instance: '1.2.1.1.2' }),
] as const;

const cleanUp = new AsyncDisposableStack();
let stack: LocalStack;
let objects: S3Objects;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-stack-open-'));
  cleanUp.defer(() => rm(folder, { recursive: true, force: true }));
  stack = await startLocalStack({
    templateFolder: await synthesizeStack(
      {
        mirrors: { main: { source: { url: 'https://source.example.org' }, archive: {} } },
        cloud: { open: {} },
      },
      folder,
    ),
    stateFolder: join(folder, 'state'),
    scheduleMinuteMs: 'off',
  });
  cleanUp.defer(() => stack.stop());
  const local = join(folder, 'archive');
  await makeArchive(local);
  for (const instance of written) await archiveInstance(local, instance);
  await archiveSidecar(local, written, {
    metadata: { 1030: 'SECRETVALUE' },
    patientTags: { PatientID: 'P1', PatientName: 'SECRETNAME^JANE' },
  });
  const bucket = stack.bucketNames.find((name) => name.startsWith('archive')) ?? '';
  objects = new S3Objects({ bucket, prefix: 'main/', endpoint: stack.s3Endpoint, credentials });
  cleanUp.defer(() => objects.close());
  await copyArchive(local, objects);
});

afterAll(() => cleanUp.disposeAsync());

const answerSchema = z.object({
  statusCode: z.int(),
  headers: z.record(z.string(), z.string()),
  body: z.string().transform((text) => Buffer.from(text, 'base64')),
});

/** Asks as AWS hands on what a caller signed. */
async function ask(address: string, accept = 'application/dicom+json', method = 'GET') {
  const [rawPath = '', rawQueryString = ''] = address.split('?');
  const event = {
    rawPath,
    rawQueryString,
    headers: { accept },
    requestContext: { http: { method }, domainName: 'example.lambda-url', authorizer: { iam: { userArn: caller } } },
  };
  return answerSchema.parse(await stack.invoke('open', event));
}

test('who did not sign is refused, and learns nothing', async () => {
  const answer = await fetch(`${stack.functionUrl('open')}main/dicom-web/studies`);
  expect(answer.status).toBe(403);
  expect(await answer.text()).not.toContain('1.2.1');
});

test('studies are found, and links in answers lead back to the function', async () => {
  const { statusCode, headers, body } = await ask('/main/dicom-web/studies?PatientName=SECRET*');
  expect(statusCode).toBe(200);
  expect(headers['cache-control']).toBe('no-store');
  expect(JSON.parse(body.toString())).toMatchObject([
    {
      '0020000D': { Value: ['1.2.1'] },
      '00081190': { Value: ['https://example.lambda-url/main/dicom-web/studies/1.2.1'] },
    },
  ]);
});

test('a study is given with the bytes that were archived', async () => {
  const { headers, body } = await ask(study, 'multipart/related; type="application/dicom"');
  const parts = partsOf(headers['content-type'] ?? '', body);
  expect(parts.map(({ bytes }) => md5Of(bytes)).toSorted()).toEqual(written.map(({ md5 }) => md5).toSorted());
});

test('one instance is given by an address of S3, with the rights of the function alone, to whom it is told', async () => {
  const [{ id, bytes, md5 }] = written;
  const { statusCode, headers } = await ask(`/main/instances/${id}/file`);
  expect(statusCode).toBe(307);
  const address = new URL(headers.location ?? '');
  expect(Number(address.searchParams.get('X-Amz-Expires'))).toBeLessThanOrEqual(300);
  expect(address.pathname).toContain(md5);
  const answer = await fetch(address);
  expect(Buffer.from(await answer.arrayBuffer())).toEqual(bytes);
  expect((await fetch(address, { method: 'PUT', body: 'x' })).ok).toBe(false);
  expect((await fetch(address, { method: 'DELETE' })).ok).toBe(false);
});

test('a question whether something is there gets no body', async () => {
  const { statusCode, body } = await ask(study, 'multipart/related; type="application/dicom"', 'HEAD');
  expect({ statusCode, length: body.length }).toEqual({ statusCode: 200, length: 0 });
});

test('an archive is opened as of a moment', async () => {
  expect((await ask('/main@2025-12-31/dicom-web/studies')).body.toString()).toBe('[]');
  expect((await ask('/main@2025-12-31/dicom-web/studies/1.2.1', '*/*')).statusCode).toBe(404);
});

test.each([
  ['a mirror that nobody configured', '/other/dicom-web/studies', 404],
  ['the name of what every object has', '/constructor/dicom-web/studies', 404],
  ['no mirror', '/dicom-web', 400],
  ['a time that is none', '/main@yesterday-ish/dicom-web/studies', 400],
  ['a path of the machine', '/main/../../etc/passwd', 404],
  ['a picture, for which the function has no codecs', `${study}/rendered`, 406],
])('%s is refused', async (_what, address, status) => {
  expect((await ask(address, '*/*')).statusCode).toBe(status);
});

test('nothing can be stored', async () => {
  expect((await ask('/main/dicom-web/studies', '*/*', 'POST')).statusCode).toBe(405);
});

test('nothing in the archive has changed', async () => {
  const keys = (await Array.fromAsync(objects.list(''))).map(({ key }) => key);
  expect(keys.filter((key) => key.startsWith('state/'))).toEqual([]);
  expect(keys.filter((key) => key.startsWith('instances/'))).toHaveLength(written.length);
});

test('who looked at what is logged with ids, in a chain, and without patient data', async () => {
  await ask(`/main/instances/${written[0].id}/file`);
  const lines = stack.logs.flatMap(({ text }) => (text.includes('archive looked into') ? [text] : []));
  const entries = lines.map((line) => z.object({ entry: z.string() }).parse(JSON.parse(line)).entry);
  let end = emptyLog;
  for (const entry of entries) end = follow(end, entry) ?? emptyLog;
  expect(end.n).toBe(entries.length);
  expect(entries.some((entry) => entry.includes(written[0].study) && entry.includes(caller))).toBe(true);
  expect(stack.logs.filter(({ text }) => /SECRET/.test(text))).toEqual([]);
});
