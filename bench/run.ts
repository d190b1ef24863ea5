/**
 * How fast `run`, `import` and `restore` copy, beside what else copies and what the target can take at all, in one run
 * on one machine, so that the ratios can be trusted where the absolute figures cannot.
 *
 *     node bench/run.ts [--scale 0.1] [--json]
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type GeneratedInstance, generateInstances, writeFolder } from '../local/dicom/generate.ts';
import { type OrthancServer, startOrthanc } from '../local/orthanc-server.ts';
import { uploadAll } from '../local/upload.ts';
import { measureCommand, orthancMirror } from './measure-command.ts';
import { peerTransfer } from './peer-transfer.ts';
import { sequentialCopy } from './sequential-copy.ts';

/** Many enough that starting a process does not decide the result. */
const workloads = [
  { name: '512 KiB', sizeBytes: 512 * 1024, instances: 1000 },
  { name: '10 KiB', sizeBytes: 10 * 1024, instances: 4000 },
];
const ceilingConnections = [1, 2, 4, 8, 16, 32];

interface Measurement {
  readonly method: string;
  readonly instancesPerSecond: number;
  readonly mebibytesPerSecond: number;
  /** Processor time per instance, in milliseconds; of our process only where it is one of its own. */
  readonly sourceCpuMs: number;
  readonly targetCpuMs: number;
  readonly ownCpuMs: number | undefined;
}

interface Workload {
  readonly instances: readonly GeneratedInstance[];
  readonly sizeBytes: number;
  readonly source: OrthancServer;
}

/** Copies everything to an empty target; may tell the processor time of its own process. */
type Copy = (target: OrthancServer) => Promise<{ readonly cpuMs: number } | undefined>;

async function measure(method: string, { instances, sizeBytes, source }: Workload, copy: Copy): Promise<Measurement> {
  // What the measurement before has left to be written to the disk is not this one's to pay.
  spawnSync('sync');
  await using target = await startOrthanc();
  const sourceBeforeMs = await source.cpuMs();
  const targetBeforeMs = await target.cpuMs();
  const startedAtMs = performance.now();
  const own = await copy(target);
  const seconds = (performance.now() - startedAtMs) / 1000;
  await assertComplete(target, instances.length, method);
  const instancesPerSecond = instances.length / seconds;
  const measurement = {
    method,
    instancesPerSecond,
    mebibytesPerSecond: (instancesPerSecond * sizeBytes) / 1024 ** 2,
    sourceCpuMs: ((await source.cpuMs()) - sourceBeforeMs) / instances.length,
    targetCpuMs: ((await target.cpuMs()) - targetBeforeMs) / instances.length,
    ownCpuMs: own && own.cpuMs / instances.length,
  };
  console.error(`  ${method}: ${instancesPerSecond.toFixed(0)} instances/s`);
  return measurement;
}

async function assertComplete(target: OrthancServer, expected: number, method: string): Promise<void> {
  const ids: unknown = await (await fetch(new URL('instances', target.url))).json();
  const copied = Array.isArray(ids) ? ids.length : 0;
  if (copied !== expected) throw new Error(`${method} copied ${copied} of ${expected} instances`);
}

async function measureAll(workload: Workload): Promise<readonly Measurement[]> {
  const { instances, source } = workload;
  const uploads = instances.map(({ bytes, sizeBytes }) => ({ sizeBytes, body: () => bytes }));
  const ceilings: Measurement[] = [];
  for (const connections of ceilingConnections) {
    const post: Copy = async (target) => {
      await uploadAll(target.url, uploads, connections, (answer) => {
        if (answer.kind === 'refused') console.error(`  the target answered ${answer.status}`);
      });
      return undefined;
    };
    ceilings.push(await measure(`ceiling of the target, ${connections} connections`, workload, post));
  }
  const best = ceilings.reduce((a, b) => (b.instancesPerSecond > a.instancesPerSecond ? b : a));
  const sequential = await measure('sequential copy, as Replicate.py', workload, async (target) => {
    await sequentialCopy(source.url, target.url, { gzip: true });
    return undefined;
  });
  const uncompressed = await measure('sequential copy without compression', workload, async (target) => {
    await sequentialCopy(source.url, target.url, { gzip: false });
    return undefined;
  });
  const peer = await measure('peer transfer', workload, async (target) => {
    await peerTransfer(source.url, target.url);
    return undefined;
  });
  const archive = await mkdtemp(join(tmpdir(), 'orthanc-mirror-bench-'));
  try {
    const run = await measure('run with a folder archive', workload, (target) =>
      measureCommand([orthancMirror, 'run', source.url, target.url, '--archive', join(archive, 'archive')]),
    );
    await writeFolder(join(archive, 'files'), instances);
    const imported = await measure('import of a folder', workload, (target) =>
      measureCommand([orthancMirror, 'import', join(archive, 'files'), '--to', target.url]),
    );
    const restored = await measure('restore of the archive', workload, (target) =>
      measureCommand([orthancMirror, 'restore', '--archive', join(archive, 'archive'), '--to', target.url]),
    );
    return [best, sequential, uncompressed, peer, run, imported, restored];
  } finally {
    await rm(archive, { recursive: true, force: true });
  }
}

function table(measurements: readonly Measurement[]): string {
  const [ceiling, sequential] = measurements;
  const rows = measurements.map((one) => [
    one.method,
    one.instancesPerSecond.toFixed(0),
    one.mebibytesPerSecond.toFixed(1),
    (one.instancesPerSecond / (ceiling?.instancesPerSecond ?? Number.NaN)).toFixed(2),
    (one.instancesPerSecond / (sequential?.instancesPerSecond ?? Number.NaN)).toFixed(2),
    one.sourceCpuMs.toFixed(2),
    one.targetCpuMs.toFixed(2),
    one.ownCpuMs?.toFixed(2) ?? '',
  ]);
  const header = ['method', 'instances/s', 'MiB/s', 'of ceiling', 'x sequential', 'source ms', 'target ms', 'own ms'];
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

const { values } = parseArgs({ options: { scale: { type: 'string' }, json: { type: 'boolean' } } });
for (const { name, sizeBytes, instances: count } of workloads) {
  const instances = [...generateInstances(`bench ${name}`, Math.ceil(count * Number(values.scale ?? 1)), sizeBytes)];
  // The source keeps every finished job of the peer transfer until it was looked at.
  await using source = await startOrthanc({ config: { JobsHistorySize: 10_000 } });
  const uploads = instances.map(({ bytes }) => ({ sizeBytes, body: () => bytes }));
  await uploadAll(source.url, uploads, 8);
  console.error(`${instances.length} instances of ${name}`);
  const measurements = await measureAll({ instances, sizeBytes, source });
  if (values.json) for (const one of measurements) console.log(JSON.stringify({ workload: name, ...one }));
  else console.log(`\n${instances.length} instances of ${name}; processor time per instance\n\n${table(measurements)}`);
}
