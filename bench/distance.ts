/**
 * How fast `run` copies to a far target, with and without a folder archive, beside bare HTTP over the same path, in one run:
 *
 *     node bench/distance.ts [--rtt 40,150] [--loss 0] [--versions 1.10.1,1.13.0] [--instances 600] [--repeat 1]
 *         [--kibibytes 512] [--seed 1] [--archives FOLDER] [--only run,bare] [--json]
 *
 * For `--archives` see `run.ts`. With `--only` the methods whose names begin with one of these.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { generateInstances } from '../local/dicom/generate.ts';
import { startOrthanc } from '../local/orthanc-server.ts';
import { uploadAll } from '../local/upload.ts';
import { type Link, openLink } from './link.ts';
import { type Command, measureCommand, orthancMirror } from './measure-command.ts';

interface Row {
  readonly version: string;
  readonly rttMs: number;
  readonly lossPercent: number;
  readonly link: Link['how'];
  readonly method: string;
  /** Of the repetitions, in order of their speed. */
  readonly instancesPerSecond: readonly number[];
  readonly ownCpuMs: number;
  readonly peakResidentMiB: number;
  /** Mean number of processes that wanted to run, before and after: figures of a busy machine are worth little. */
  readonly load: readonly [number, number];
}

const { values } = parseArgs({
  options: {
    rtt: { type: 'string', default: '40,150' },
    loss: { type: 'string', default: '0' },
    versions: { type: 'string', default: '1.10.1,1.13.0' },
    instances: { type: 'string', default: '600' },
    kibibytes: { type: 'string', default: '512' },
    repeat: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    archives: { type: 'string', default: tmpdir() },
    only: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
});
const count = Number(values.instances);
const sizeBytes = Number(values.kibibytes) * 1024;
const lossPercent = Number(values.loss);
const instances = [...generateInstances('distance', count, sizeBytes)];
const bareCopy = new URL('bare-copy.ts', import.meta.url).pathname;
const archives = await mkdtemp(join(values.archives, 'orthanc-mirror-distance-'));

/** The command that copies; `archive` is a folder that does not exist yet. */
type Method = (source: string, target: string, archive: string) => Command;

const bare =
  (connections: number): Method =>
  (source, target) => [process.execPath, bareCopy, source, target, String(connections)];

/** Neighbours in time are compared: the bare copy with most connections runs beside ours. */
const allMethods: Readonly<Record<string, Method>> = {
  'bare, 8 connections': bare(8),
  'bare, 16 connections': bare(16),
  'bare, 32 connections': bare(32),
  run: (source, target) => [orthancMirror, 'run', source, target],
  'run --instances-only': (source, target) => [orthancMirror, 'run', source, target, '--instances-only'],
  'run --archive': (source, target, archive) => [orthancMirror, 'run', source, target, '--archive', archive],
};
const only = values.only.split(',');
const methods = Object.entries(allMethods).filter(([name]) => only.some((prefix) => name.startsWith(prefix)));

async function loadOfMachine(): Promise<number> {
  return Number((await readFile('/proc/loadavg', 'utf8')).split(' ')[0]);
}

async function copyOnce(method: Method, sourceUrl: string, version: string, link: Link) {
  spawnSync('sync');
  await using target = await startOrthanc({ version, config: { RemoteAccessAllowed: true } });
  const archive = join(archives, crypto.randomUUID());
  const command = method(link.near(sourceUrl), await link.far(target.url), archive);
  const { wallMs, cpuMs, peakResidentBytes } = await measureCommand([...link.prefix, ...command]);
  const ids: unknown = await (await fetch(`${target.url}/instances`)).json();
  const copied = Array.isArray(ids) ? ids.length : 0;
  if (copied !== count) throw new Error(`${copied} of ${count} instances were copied`);
  await rm(archive, { recursive: true, force: true });
  return {
    instancesPerSecond: (count * 1000) / wallMs,
    ownCpuMs: cpuMs / count,
    peakResidentMiB: peakResidentBytes / 1024 ** 2,
  };
}

function print(rows: readonly Row[]): void {
  const [first] = rows;
  const best = rows.find(({ method }) => method === 'bare, 32 connections');
  if (first === undefined || best === undefined) return;
  const { version, rttMs, link } = first;
  console.log(
    `\n${count} instances of ${values.kibibytes} KiB to Orthanc ${version}, ${rttMs} ms, ${lossPercent} % loss, by ${link}\n`,
  );
  console.log(
    '| method | instances/s | of bare, 32 connections | own ms | peak MiB | load before, after |\n| --- | --- | --- | --- | --- | --- |',
  );
  for (const row of rows) {
    const rate = median(row.instancesPerSecond);
    const ratio = rate / median(best.instancesPerSecond);
    const cells = [
      row.method,
      rate.toFixed(1),
      ratio.toFixed(2),
      row.ownCpuMs.toFixed(2),
      row.peakResidentMiB.toFixed(0),
      row.load.join(', '),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}

function median(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

try {
  for (const version of values.versions.split(',')) {
    await using source = await startOrthanc({ version, config: { RemoteAccessAllowed: true } });
    await uploadAll(
      source.url,
      instances.map(({ bytes }) => ({ sizeBytes, body: () => bytes })),
      8,
    );
    for (const rttMs of values.rtt.split(',').map(Number)) {
      await using link = await openLink({ rttMs, lossPercent, seed: Number(values.seed) });
      const rows = new Map<string, Row>();
      for (let repetition = 0; repetition < Number(values.repeat); repetition += 1) {
        for (const [name, method] of methods) {
          const before = await loadOfMachine();
          const { instancesPerSecond, ...usage } = await copyOnce(method, source.url, version, link);
          const rates = [...(rows.get(name)?.instancesPerSecond ?? []), instancesPerSecond].sort((a, b) => a - b);
          const load = [rows.get(name)?.load[0] ?? before, await loadOfMachine()] as const;
          const facts = { version, rttMs, lossPercent, link: link.how, method: name };
          rows.set(name, { ...facts, instancesPerSecond: rates, ...usage, load });
          console.error(`  ${version}, ${rttMs} ms, ${name}: ${instancesPerSecond.toFixed(1)} instances/s`);
        }
      }
      if (values.json) for (const row of rows.values()) console.log(JSON.stringify(row));
      else print([...rows.values()]);
    }
  }
} finally {
  await rm(archives, { recursive: true, force: true });
}
