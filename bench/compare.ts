/**
 * Compares a simulated server with a simulated bucket of up to a million instances each, in a process of its own, and
 * tells requests, time and peak memory: `node bench/compare.ts [count …]`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { compareStores } from '../core/mirror/check.ts';
import { openArchive } from '../core/stores/archive/archive.ts';
import { S3Objects } from '../core/stores/archive/s3-objects.ts';
import { openOrthancStore } from '../core/stores/orthanc/orthanc-store.ts';

const missingEvery = 1000;
/** As `bin/orthanc-mirror` runs it. */
const memoryFlags = ['--max-semi-space-size=4', '--max-old-space-size=512'];

interface Measured {
  readonly instances: number;
  readonly missing: number;
  readonly seconds: number;
  readonly peakResidentMiB: number;
  readonly requests: { readonly orthanc: number; readonly s3: number };
}

if (process.argv[2] === '--compare') await compare(Number(process.argv[3]), Number(process.argv[4]));
else await measureAll(process.argv.slice(2).map(Number));

async function measureAll(counts: readonly number[]): Promise<void> {
  const measured: Measured[] = [];
  for (const count of counts.length > 0 ? counts : [100_000, 1_000_000]) measured.push(await measure(count));
  console.log('| instances per store | requests to the server | to S3 | seconds | peak resident MiB |');
  console.log('| --- | --- | --- | --- | --- |');
  for (const { instances, requests, seconds, peakResidentMiB } of measured) {
    const figures = [instances, requests.orthanc, requests.s3, seconds.toFixed(1), Math.round(peakResidentMiB)];
    console.log(`| ${figures.join(' | ')} |`);
  }
}

/** Runs the stores and the comparison, each in a process of its own. */
async function measure(count: number): Promise<Measured> {
  const stores = spawn(process.execPath, [pathOf('simulated-stores.ts'), String(count), String(missingEvery)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: stores.stdout })[Symbol.asyncIterator]();
  try {
    const ports = await nextJson(lines);
    const args = [...memoryFlags, pathOf('compare.ts'), '--compare', String(ports.orthanc), String(ports.s3)];
    const comparison = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const result = await nextJson(createInterface({ input: comparison.stdout })[Symbol.asyncIterator]());
    await once(comparison, 'exit');
    stores.kill('SIGUSR2');
    const requests = await nextJson(lines);
    if (result.instances !== count || result.missing !== count / missingEvery) {
      throw new Error(`the comparison found ${result.missing} missing of ${result.instances}, which is wrong`);
    }
    return { ...result, requests };
  } finally {
    stores.kill();
  }
}

async function nextJson(lines: AsyncIterator<string>): Promise<ReturnType<typeof JSON.parse>> {
  const line = await lines.next();
  return JSON.parse(line.done === true ? 'null' : line.value);
}

async function compare(orthancPort: number, s3Port: number): Promise<void> {
  const source = openOrthancStore({ url: `http://127.0.0.1:${orthancPort}` });
  const endpoint = `http://127.0.0.1:${s3Port}`;
  const credentials = { accessKeyId: 'simulated', secretAccessKey: 'simulated' };
  const objects = new S3Objects({ bucket: 'bucket', prefix: 'archive/', endpoint, region: 'us-east-1', credentials });
  const archive = await openArchive(objects);
  const startedAtMs = performance.now();
  let instances = 0;
  let missing = 0;
  for await (const { comparisons } of compareStores(source, [{ role: 'archive', store: archive }])) {
    instances += 1;
    if (comparisons.some(({ kind }) => kind !== 'equal')) missing += 1;
  }
  const seconds = (performance.now() - startedAtMs) / 1000;
  // Kibibytes on Linux: getrusage(2).
  const peakResidentMiB = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ instances, missing, seconds, peakResidentMiB }));
  await source.close();
  await archive.close();
}

function pathOf(file: string): string {
  return new URL(file, import.meta.url).pathname;
}
