/**
 * How soon an archive can be read: from the start of `open` to the first image of a study of 500 slices in an archive of
 * 2,000 studies, on a folder and on S3 that takes 30 ms for each answer; and to the first page of 100,000 studies.
 *
 *     node bench/open.ts [folder|s3|list] …
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { S3Objects } from '../core/stores/archive/s3-objects.ts';
import { startS3 } from '../local/s3/start-s3.ts';
import { startBrowser } from '../test/support/open/browser.ts';
import { copyArchive, makeArchive, writeStudy } from '../test/support/open/generated-archive.ts';
import { peakResidentBytes } from './process-usage.ts';

const executable = new URL('../bin/orthanc-mirror', import.meta.url).pathname;
const answerAfterMs = 30;
const seed = 'bench-open';

interface Opened {
  readonly url: string;
  readonly process: ChildProcess;
}

async function start(args: readonly string[], folder: string): Promise<Opened> {
  const log = join(folder, 'access.jsonl');
  const child = spawn(executable, ['open', ...args, '--listen', '127.0.0.1:0', '--access-log', log, '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, AWS_ACCESS_KEY_ID: 'bench', AWS_SECRET_ACCESS_KEY: 'bench', AWS_REGION: 'us-east-1' },
  });
  process.once('exit', () => child.kill());
  for await (const line of createInterface({ input: child.stdout })) {
    const { url } = JSON.parse(line) as { url: string };
    return { url, process: child };
  }
  throw new Error('open ended before it listened');
}

/** @returns the most memory that it used, in MiB. */
async function stop({ process: child }: Opened): Promise<number> {
  const mib = Math.round(peakResidentBytes(child.pid ?? 0) / 2 ** 20);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  await ended;
  return mib;
}

/** From the start of the command to the first image on the screen, by way of the list and a search. */
async function firstImage(what: string, args: readonly string[], folder: string): Promise<void> {
  const browser = await startBrowser();
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const startedAt = performance.now();
  const opened = await start(args, folder);
  const listening = performance.now() - startedAt;
  await page.goto(opened.url);
  await page.locator('tbody tr').first().waitFor();
  const listed = performance.now() - startedAt;
  await page.locator('input[type=search]').fill('A500');
  const found = page.locator('tbody tr', { hasText: 'GENERATED, 500' });
  await found.waitFor({ timeout: 60_000 });
  const searched = performance.now() - startedAt;
  await found.click();
  await page.locator('[data-index="1"]').waitFor({ timeout: 60_000 });
  const shown = performance.now() - startedAt;
  for (let count = 0; count < 100; count += 1) await page.keyboard.press('ArrowDown');
  await page.locator('[data-index="101"]').waitFor({ timeout: 60_000 });
  const scrolled = performance.now() - startedAt - shown;
  const mib = await stop(opened);
  const seconds = (ms: number) => `${(ms / 1000).toFixed(2)} s`;
  console.log(
    `${what}: listening ${seconds(listening)}, list ${seconds(listed)}, study found ${seconds(searched)}, first image ${seconds(shown)}, 100 further images ${seconds(scrolled)}, memory ${mib} MiB`,
  );
  await browser.close();
}

async function makeStudies(folder: string): Promise<void> {
  await makeArchive(folder);
  for (let number = 0; number < 2_000; number += 1) {
    const isLarge = number === 500;
    await writeStudy(folder, {
      seed,
      number,
      instances: isLarge ? 500 : 4,
      sizeBytes: isLarge ? 512 * 1024 : 8 * 1024,
    });
  }
}

async function onFolder(folder: string): Promise<void> {
  const archive = join(folder, 'archive');
  await makeStudies(archive);
  await firstImage('folder, first start', ['--archive', archive], folder);
  await firstImage('folder, again', ['--archive', archive], folder);
}

async function onS3(folder: string): Promise<void> {
  const local = join(folder, 'local');
  await makeStudies(local);
  await using s3 = await slowS3(join(folder, 's3'));
  const objects = new S3Objects({ bucket: 'bench', prefix: '', endpoint: s3.quick });
  await copyArchive(local, objects);
  const args = ['--archive', 's3://bench', '--endpoint', s3.slow];
  await firstImage(`S3 at ${answerAfterMs} ms, first start`, args, folder);
  await firstImage(`S3 at ${answerAfterMs} ms, again`, args, folder);
}

/** An S3 server, and a way to it on which each answer takes its time. */
async function slowS3(folder: string) {
  process.env.AWS_ACCESS_KEY_ID = 'bench';
  process.env.AWS_SECRET_ACCESS_KEY = 'bench';
  process.env.AWS_REGION = 'us-east-1';
  const server = await startS3({ folder });
  await fetch(`${server.endpoint}/bench`, { method: 'PUT' });
  const target = new URL(server.endpoint);
  const proxy = createServer((incoming, outgoing) => {
    const { method, url: path, headers } = incoming;
    const forwarded = request({ host: target.hostname, port: target.port, method, path, headers }, (answer) => {
      void delay(answerAfterMs).then(() => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
    });
    forwarded.on('error', () => outgoing.destroy());
    incoming.pipe(forwarded);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = proxy.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  return {
    quick: server.endpoint,
    slow: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      proxy.closeAllConnections();
      proxy.close();
      await server.close();
    },
  };
}

async function listOfStudies(folder: string): Promise<void> {
  const archive = join(folder, 'many');
  await makeArchive(archive);
  for (let number = 0; number < 100_000; number += 1) {
    await writeStudy(archive, { seed, number, instances: 1, sizeBytes: 0 });
  }
  for (const what of ['first start', 'again', 'once more']) {
    const startedAt = performance.now();
    const opened = await start(['--archive', archive], folder);
    const listening = performance.now() - startedAt;
    const answer = await fetch(`${opened.url}page/studies?limit=50`);
    const page = (await answer.json()) as { total: number };
    const shown = performance.now() - startedAt;
    const searching = performance.now();
    await (await fetch(`${opened.url}page/studies?search=number+777&limit=50`)).json();
    const searched = performance.now() - searching;
    // The catalogue is kept when the archive was listed once; only then all of it is in memory.
    while (!(await isListed(opened.url))) await delay(200);
    const listed = performance.now() - startedAt;
    const mib = await stop(opened);
    console.log(
      `100,000 studies, ${what}: listening ${Math.round(listening)} ms, first page (of ${page.total}) ${Math.round(shown)} ms, a search ${Math.round(searched)} ms, all listed ${Math.round(listed)} ms, memory ${mib} MiB`,
    );
  }
}

async function isListed(url: string): Promise<boolean> {
  const { progress } = (await (await fetch(`${url}page/archive`)).json()) as { progress: { phase: string } };
  return progress.phase !== 'listing';
}

const parts = { folder: onFolder, s3: onS3, list: listOfStudies };
const wanted = process.argv.slice(2);
for (const [name, part] of Object.entries(parts)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const folder = await mkdtemp(join(tmpdir(), 'bench-open-'));
  try {
    await part(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
