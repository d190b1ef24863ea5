/**
 * An archive in Deep Archive comes back, wherever restores are killed, and S3 is paid once for each copy: the restore's own
 * code against objects in memory by the rules of the local S3 server, in simulated time. A failure says the fate that led to
 * it, and the seed of the run, which can be given again.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { ArchiveView } from '../../core/archive-life/restore/archive-view.ts';
import { restoreSidecars } from '../../core/archive-life/restore/restore-sidecars.ts';
import { sidecarsInFolder } from '../../core/archive-life/restore/sidecar-targets.ts';
import { Thaw, type ThawCounts } from '../../core/archive-life/restore/thaw.ts';
import { MirrorError } from '../../core/errors.ts';
import { type InstanceId, md5Of, orthancIdOf } from '../../core/identifiers.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import type { Summary } from '../../core/mirror/summary.ts';
import { archiveSidecar } from '../../core/sidecars/archive-sidecar.ts';
import { patientSidecarSchema } from '../../core/sidecars/sidecar.ts';
import { type Archive, openArchive } from '../../core/stores/archive/archive.ts';
import type { ObjectStorage } from '../../core/stores/archive/object-storage.ts';
import type { DestinationStore } from '../../core/stores/store.ts';
import { studySidecar } from '../support/archived-studies.ts';
import { ColdObjects } from '../support/cold-objects.ts';
import { identityOf } from '../support/histories/archived.ts';
import { KillableProgram } from '../support/killable-program.ts';
import { MemoryObjects } from '../support/memory-objects.ts';
import { MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';
import { noFindings } from '../support/no-findings.ts';
import { randomOf } from '../support/seeded-random.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const begin = Date.parse('2026-11-21T00:00:00Z');
const concurrency = 4;

interface Restored {
  readonly summary: Summary;
  readonly thaw: ThawCounts;
}

/** Copies everything that a target lacks, and asks for what is cold, as `restore --thaw` does. */
async function restore(objects: ObjectStorage, target: DestinationStore, onError = failed): Promise<Restored> {
  const thaw = new Thaw(onError);
  const archive = await openArchive(objects, { onCold: (storage, key) => thaw.ask(storage, key) });
  const { summary, stoppedBy, withdrawn } = await runMirror({
    source: new ArchiveView(archive),
    destinations: [{ role: 'target', store: target }],
    concurrency,
  });
  expect([stoppedBy, withdrawn.size]).toEqual([undefined, 0]);
  return { summary, thaw: thaw.counts };
}

function failed(key: string, error: MirrorError): void {
  throw new Error(`${key} could not be asked for: ${error.message}`);
}

/** An archive of so many instances, all of them cold. */
async function coldArchive(count: number): Promise<ColdObjects> {
  const objects = new ColdObjects({ nowMs: begin });
  const archive = await openArchive(objects, { createFor: { name: 'source' }, writer: 'run' });
  for (let n = 0; n < count; n += 1) await addTo(archive, n);
  objects.isWarm = false;
  return objects;
}

async function addTo(archive: Archive, n: number): Promise<void> {
  const bytes = sampleBytes(n);
  await archive.store(identityOf(sampleId(n), bytes), bytes);
}

function coldTold({ summary, thaw }: Restored) {
  const { instances, cold } = summary;
  const { copied, failed: failures } = instances;
  return { copied, cold, failed: failures, asked: thaw.asked, underWay: thaw.underWay, notAsked: thaw.failed };
}

/** Where restores are killed. */
interface Fate {
  /** While they ask, and while they read: after so many requests to S3 or the target, the last of which was done or was not. */
  readonly asking: Kill | undefined;
  readonly reading: Kill | undefined;
  /** Where another restore, to another target, is killed that asks at the same time. */
  readonly besideAsking: Kill | undefined;
  /** Copies are gone at this request of the restore that reads; 0: before it began. */
  readonly goneAt: number | undefined;
}

interface Kill {
  readonly step: number;
  readonly isDone: boolean;
}

/** Lives through a fate. @returns the requests that the restores made which asked, and which read. */
async function live(count: number, { asking, reading, besideAsking, goneAt }: Fate) {
  const objects = await coldArchive(count);
  const targets = [new MemoryStore('first'), new MemoryStore('second')] as const;
  const [first, second] = targets;
  const program = new KillableProgram(asking);
  const other = new KillableProgram(besideAsking);
  await Promise.all([run(program, objects, first), run(other, objects, second)]);
  const counts = { copied: 0, cold: count, failed: count, notAsked: 0 };
  for (const target of targets) {
    const told = coldTold(await restore(objects, target));
    expect(told).toMatchObject(counts);
    expect(told.asked + told.underWay).toBe(count);
    if (target === second) expect(told.asked).toBe(0);
  }
  expect([...objects.made.values()]).toEqual(Array.from({ length: count }, () => 1));

  objects.clock.nowMs += 48 * hourMs;
  const reader = new KillableProgram(reading);
  reader.onStep = (step) => {
    if (step === goneAt) objects.clock.nowMs += 8 * dayMs;
  };
  if (goneAt === 0) objects.clock.nowMs += 8 * dayMs;
  await run(reader, objects, first);
  const goesOn = await restore(objects, first);
  const lacking = count - first.instances.size;
  expect(goesOn.summary.cold).toBe(lacking);
  // What the reader found gone it asked for at once; the rest is asked for now, and nothing twice.
  if (goneAt === undefined) expect(lacking).toBe(0);
  if (goneAt === 0) expect(lacking).toBe(count);
  expect(goesOn.thaw.asked + goesOn.thaw.underWay).toBe(lacking);
  objects.clock.nowMs += 48 * hourMs;
  for (const target of targets) {
    await restore(objects, target);
    objects.clock.nowMs += 48 * hourMs;
    expect((await restore(objects, target)).summary).toMatchObject({ cold: 0, instances: { failed: 0 } });
    expect(hashesOf(target.instances)).toEqual(hashesOf(everything(count)));
  }
  expect(Math.max(...objects.made.values())).toBeLessThanOrEqual(goneAt === undefined ? 1 : 2);
  return { asked: program.steps, read: reader.steps };
}

async function run(program: KillableProgram, objects: ColdObjects, target: MemoryStore): Promise<void> {
  await program.run(async () => {
    await restore(program.around<ObjectStorage>(objects), program.around<DestinationStore>(target));
  });
}

function everything(count: number): [InstanceId, Uint8Array][] {
  return Array.from({ length: count }, (_, n) => [sampleId(n), sampleBytes(n)]);
}

function hashesOf(instances: Iterable<readonly [InstanceId, Uint8Array]>): Map<InstanceId, string> {
  return new Map([...instances].map(([id, bytes]) => [id, md5Of(bytes)]));
}

const unharmed: Fate = { asking: undefined, reading: undefined, besideAsking: undefined, goneAt: undefined };

test('everything comes back and is paid for once, at whichever request a restore is killed', async () => {
  const count = 9;
  const { asked, read } = await live(count, unharmed);
  // The list and the manifest, and of each instance the failing read, the question, or the read and the upload.
  expect(asked).toBeGreaterThan(2 * count);
  expect(read).toBeGreaterThan(2 * count);
  for (const isDone of [false, true]) {
    for (let step = 1; step <= asked; step += 1) await lived(count, { ...unharmed, asking: { step, isDone } });
    for (let step = 1; step <= read; step += 1) await lived(count, { ...unharmed, reading: { step, isDone } });
  }
});

test('copies that are gone before they were read are asked for again, whenever that is, and told', async () => {
  const count = 9;
  const { read } = await live(count, unharmed);
  for (let goneAt = 0; goneAt <= read; goneAt += 1) await lived(count, { ...unharmed, goneAt });
});

test('a thousand come back through kills at random requests, with another restore beside', async () => {
  const random = randomOf('fates of thawing restores');
  const count = 1000;
  const kill = (): Kill | undefined =>
    random.chance(0.2) ? undefined : { step: random.between(1, 2 * count), isDone: random.chance(0.5) };
  for (let n = 0; n < 2; n += 1) {
    const goneAt = random.chance(0.5) ? undefined : random.below(2 * count);
    await lived(count, { asking: kill(), reading: kill(), besideAsking: kill(), goneAt });
  }
});

async function lived(count: number, fate: Fate): Promise<void> {
  await live(count, fate).catch((cause: unknown) => {
    const what = cause instanceof Error ? cause.message : 'no error';
    throw new Error(`of ${count}: ${JSON.stringify(fate)}: ${what}`, { cause });
  });
}

test('a restore meets no more than it asks for: what S3 answers late it waits for', async () => {
  const objects = await coldArchive(200);
  const answers = Promise.withResolvers<void>();
  const thaw = objects.thaw.bind(objects);
  objects.thaw = async (key) => {
    await answers.promise;
    return thaw(key);
  };
  const before = objects.calls.get;
  const restoring = restore(objects, new MemoryStore('target'));
  for (let n = 0; n < 1000; n += 1) await turn();
  expect(objects.calls.get - before).toBeLessThanOrEqual(1 + concurrency);
  answers.resolve();
  expect(coldTold(await restoring)).toMatchObject({ cold: 200, asked: 200 });
});

test('who may not ask is told once, and asks no more', async () => {
  const objects = await coldArchive(200);
  let asked = 0;
  objects.thaw = async () => {
    asked += 1;
    throw new MirrorError('forbidden', 'the credentials do not permit this');
  };
  const told: string[] = [];
  const restored = await restore(objects, new MemoryStore('target'), (key) => told.push(key));
  expect(told).toHaveLength(1);
  expect(asked).toBeLessThanOrEqual(concurrency);
  expect(restored.thaw).toMatchObject({ asked: 0, failed: 200, stoppedBy: { code: 'forbidden' } });
});

/** A study with attachments of its own, of an instance and of its patient, in an archive whose attachments are cold. */
async function coldAttachments() {
  const objects = new ColdObjects({ nowMs: begin });
  await openArchive(objects, { createFor: { name: 'source' }, writer: 'run' });
  const text = (number: number): Uint8Array => Buffer.from(`attachment ${number}`);
  const attachmentsOf = (...numbers: number[]) =>
    Object.fromEntries(numbers.map((n) => [n, { md5: md5Of(text(n)), sizeBytes: text(n).length }]));
  const study = studySidecar(1, [sampleId(1)], { attachments: attachmentsOf(1024, 1025) });
  const patient = patientSidecarSchema.parse({
    format: 'orthanc-mirror-patient',
    version: 1,
    id: orthancIdOf('P1'),
    tags: { PatientID: 'P1' },
    protected: false,
    attachments: attachmentsOf(1026),
  });
  const attachments = async ({ number, sizeBytes }: { readonly number: number; readonly sizeBytes: number }) => ({
    sizeBytes,
    body: (async function* () {
      yield text(number);
    })(),
    cancel: () => undefined,
  });
  for (const document of [study, patient]) {
    await archiveSidecar(objects, document, { attachments, now: () => new Date(begin), ...noFindings });
  }
  objects.isWarm = false;
  return { objects, study };
}

async function restoreAttachments(objects: ColdObjects, files: MemoryObjects, holds: boolean) {
  const thaw = new Thaw(failed);
  const held = { holds: () => holds, holdsStudy: () => holds };
  const target = sidecarsInFolder(files, objects, held);
  const options = { thaw: (key: string) => thaw.ask(objects, key), ...noFindings };
  const told = await Array.fromAsync(restoreSidecars(objects, target, options));
  return { told: told.map(({ kind, error }) => ({ kind, code: error?.code })), thaw: thaw.counts };
}

test('the attachments of a study are asked for together, before its instances are there and after', async () => {
  for (const holds of [false, true]) {
    const { objects } = await coldAttachments();
    const { told, thaw } = await restoreAttachments(objects, new MemoryObjects(), holds);
    expect(told).toEqual([holds ? { kind: 'failed', code: 'cold' } : { kind: 'not-held', code: undefined }]);
    expect(thaw).toMatchObject({ asked: 3, underWay: 0, failed: 0 });

    const files = new MemoryObjects();
    objects.clock.nowMs += 48 * hourMs;
    const later = await restoreAttachments(objects, files, true);
    expect(later).toMatchObject({ told: [{ kind: 'written' }], thaw: { asked: 0, underWay: 0 } });
    expect([...files.stored.keys()].filter((key) => key.includes('102'))).toHaveLength(3);
  }
});
