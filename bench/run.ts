/**
 * How fast `run`, `import` and `restore` copy, beside what else copies and what the target can take at all, in one run
 * on one machine, so that the ratios can be trusted where the absolute figures cannot: every method once, then all of
 * them again; the median counts.
 *
 *     npm run bench -- [--against COMMIT] [--versions 1.10.1,1.13.0] [--scale 0.1] [--repeat 3] [--only run,bare] [--json]
 *         [--archives FOLDER]
 *
 * `--archives` says where archives are written: on a file system where much was just deleted, as a benchmark does with its
 * servers, making a file may take ten times as long (docs/speed.md).
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type GeneratedInstance, generateInstances, writeFolder } from '../local/dicom/generate.ts';
import { type OrthancServer, startOrthanc } from '../local/orthanc-server.ts';
import { uploadAll } from '../local/upload.ts';
import { programAt } from './against.ts';
import { type Command, measureCommand, orthancMirror } from './measure-command.ts';
import { peerTransfer } from './peer-transfer.ts';
import { sequentialCopy } from './sequential-copy.ts';

/** Many enough that starting a process does not decide the result. */
const workloads = [
  { name: '512 KiB', sizeBytes: 512 * 1024, instances: 1000 },
  { name: '10 KiB', sizeBytes: 10 * 1024, instances: 4000 },
];
const ceilingConnections = [8, 32];
const bareCopy = new URL('bare-copy.ts', import.meta.url).pathname;

const { values } = parseArgs({
  options: {
    against: { type: 'string' },
    versions: { type: 'string', default: '1.10.1,1.13.0' },
    scale: { type: 'string', default: '1' },
    repeat: { type: 'string', default: '3' },
    /** Methods whose names begin with one of these. */
    only: { type: 'string', default: '' },
    archives: { type: 'string', default: tmpdir() },
    json: { type: 'boolean', default: false },
  },
});

/** One method, measured once. */
interface Measurement {
  readonly instancesPerSecond: number;
  /** Processor time per instance, in milliseconds; of our process only where it is one of its own. */
  readonly sourceCpuMs: number;
  readonly targetCpuMs: number;
  readonly ownCpuMs: number | undefined;
}

/** A method, measured several times. */
interface Row extends Measurement {
  readonly version: string;
  readonly workload: string;
  readonly method: string;
  /** Of all repetitions, in order of their speed; the rest is of the one in the middle. */
  readonly rates: readonly number[];
}

/** What there is to copy, and where methods put what a later one reads. */
interface Scene {
  readonly source: OrthancServer;
  readonly instances: readonly GeneratedInstance[];
  /** A folder with a file of each. */
  readonly files: string;
  /** Where an archive is written by one method and read by another; new in each repetition. */
  readonly archive: string;
}

/** Copies everything to an empty target; may tell the processor time of its own process. */
type Method = (scene: Scene, target: OrthancServer) => Promise<{ readonly cpuMs: number } | undefined>;

const byCommand =
  (command: (scene: Scene, target: OrthancServer) => Command): Method =>
  (scene, target) =>
    measureCommand(command(scene, target));

const ceiling =
  (connections: number): Method =>
  async ({ instances }, target) => {
    const uploads = instances.map(({ bytes, sizeBytes }) => ({ sizeBytes, body: () => bytes }));
    await uploadAll(target.url, uploads, connections, (answer) => {
      if (answer.kind === 'refused') console.error(`  the target answered ${answer.status}`);
    });
    return undefined;
  };

const sequential =
  (gzip: boolean): Method =>
  async ({ source }, target) => {
    await sequentialCopy(source.url, target.url, { gzip });
    return undefined;
  };

const peers: Method = async ({ source }, target) => {
  await peerTransfer(source.url, target.url);
  return undefined;
};

/** What a program of ours does; `suffix` tells which. */
function methodsOf(bin: string, suffix = ''): readonly (readonly [string, Method])[] {
  const archiveOf = ({ archive }: Scene) => join(archive, `archive${suffix}`);
  const url = (server: OrthancServer): string => server.url;
  return [
    [`run${suffix}`, byCommand(({ source }, target) => [bin, 'run', url(source), url(target)])],
    [
      `run with a folder archive${suffix}`,
      byCommand((scene, target) => [bin, 'run', url(scene.source), url(target), '--archive', archiveOf(scene)]),
    ],
    [`import of a folder${suffix}`, byCommand(({ files }, target) => [bin, 'import', files, '--to', url(target)])],
    [
      `restore of the archive${suffix}`,
      byCommand((scene, target) => [bin, 'restore', '--archive', archiveOf(scene), '--to', url(target)]),
    ],
  ];
}

function allMethods(other: string | undefined): ReadonlyMap<string, Method> {
  const only = values.only.split(',');
  const methods: readonly (readonly [string, Method])[] = [
    ...ceilingConnections.map((width) => [`ceiling of the target, ${width} connections`, ceiling(width)] as const),
    ['peer transfer', peers],
    [
      'bare, 8 connections',
      byCommand(({ source }, target) => [process.execPath, bareCopy, source.url, target.url, '8']),
    ],
    ['sequential copy, as Replicate.py', sequential(true)],
    ['sequential copy without compression', sequential(false)],
    ...methodsOf(orthancMirror),
    ...(other === undefined ? [] : methodsOf(other, ` at ${values.against}`)),
  ];
  return new Map(methods.filter(([name]) => only.some((prefix) => name.startsWith(prefix))));
}

async function measure(method: Method, scene: Scene, version: string): Promise<Measurement> {
  // What the measurement before has left to be written to the disk is not this one's to pay.
  spawnSync('sync');
  const { source, instances } = scene;
  await using target = await startOrthanc({ version });
  const sourceBeforeMs = await source.cpuMs();
  const targetBeforeMs = await target.cpuMs();
  const startedAtMs = performance.now();
  const own = await method(scene, target);
  const seconds = (performance.now() - startedAtMs) / 1000;
  const ids: unknown = await (await fetch(new URL('instances', target.url))).json();
  const copied = Array.isArray(ids) ? ids.length : 0;
  if (copied !== instances.length) throw new Error(`${copied} of ${instances.length} instances were copied`);
  return {
    instancesPerSecond: instances.length / seconds,
    sourceCpuMs: ((await source.cpuMs()) - sourceBeforeMs) / instances.length,
    targetCpuMs: ((await target.cpuMs()) - targetBeforeMs) / instances.length,
    ownCpuMs: own && own.cpuMs / instances.length,
  };
}

async function measureAll(
  scene: Omit<Scene, 'archive'>,
  version: string,
  methods: ReadonlyMap<string, Method>,
): Promise<ReadonlyMap<string, readonly Measurement[]>> {
  const measured = new Map<string, Measurement[]>();
  for (let repetition = 0; repetition < Number(values.repeat); repetition += 1) {
    const archive = await mkdtemp(join(values.archives, 'orthanc-mirror-bench-archive-'));
    try {
      for (const [name, method] of methods) {
        const measurement = await measure(method, { ...scene, archive }, version);
        measured.set(name, [...(measured.get(name) ?? []), measurement]);
        console.error(`  ${version}, ${name}: ${measurement.instancesPerSecond.toFixed(0)} instances/s`);
      }
    } finally {
      await rm(archive, { recursive: true, force: true });
    }
  }
  return measured;
}

function rowOf(version: string, workload: string, method: string, measured: readonly Measurement[]): Row {
  const sorted = measured.toSorted((a, b) => a.instancesPerSecond - b.instancesPerSecond);
  const middle = sorted[Math.floor(sorted.length / 2)];
  if (middle === undefined) throw new Error(`${method} was not measured`);
  const rates = sorted.map(({ instancesPerSecond }) => instancesPerSecond);
  return { version, workload, method, ...middle, rates };
}

function tableOf(rows: readonly Row[]): string {
  const rateOf = (prefix: string) =>
    Math.max(...rows.filter(({ method }) => method.startsWith(prefix)).map((row) => row.instancesPerSecond));
  const compared = ['ceiling', 'peer transfer', 'bare', 'sequential copy, as'].filter((name) => rateOf(name) > 0);
  const header = ['method', 'instances/s', ...compared.map((name) => `of ${name}`), 'source ms', 'target ms', 'own ms'];
  const lines = rows.map((row) => [
    row.method,
    row.rates.map((rate) => rate.toFixed(0)).join(' '),
    ...compared.map((name) => (row.instancesPerSecond / rateOf(name)).toFixed(2)),
    row.sourceCpuMs.toFixed(2),
    row.targetCpuMs.toFixed(2),
    row.ownCpuMs?.toFixed(2) ?? '',
  ]);
  return [header, header.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

async function loadOfMachine(): Promise<string> {
  return (await readFile('/proc/loadavg', 'utf8')).split(' ').slice(0, 3).join(' ');
}

await using other = values.against === undefined ? undefined : await programAt(values.against);
const methods = allMethods(other?.bin);
for (const version of values.versions.split(',')) {
  for (const { name, sizeBytes, instances: count } of workloads) {
    const instances = [...generateInstances(`bench ${name}`, Math.ceil(count * Number(values.scale)), sizeBytes)];
    // The source keeps every finished job of the peer transfer until it was looked at.
    await using source = await startOrthanc({ version, config: { JobsHistorySize: 10_000 } });
    await uploadAll(
      source.url,
      instances.map(({ bytes }) => ({ sizeBytes, body: () => bytes })),
      8,
    );
    const files = await mkdtemp(join(tmpdir(), 'orthanc-mirror-bench-files-'));
    try {
      await writeFolder(files, instances);
      const load = await loadOfMachine();
      const measured = await measureAll({ source, instances, files }, version, methods);
      const rows = [...measured].map(([method, each]) => rowOf(version, name, method, each));
      if (values.json) for (const row of rows) console.log(JSON.stringify({ ...row, loadBefore: load }));
      else {
        const what = `${instances.length} instances of ${name}, Orthanc ${version}`;
        console.log(
          `\n${what}; load of the machine before ${load}, after ${await loadOfMachine()}\n\n${tableOf(rows)}`,
        );
      }
    } finally {
      await rm(files, { recursive: true, force: true });
    }
  }
}
