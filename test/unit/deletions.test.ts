/** What is deleted at a target because the source deleted it, and what is never. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Missing } from '../../core/archive-life/deletions/missing.ts';
import { type PropagateOptions, propagateDeletion } from '../../core/archive-life/deletions/propagate-deletion.ts';
import type { CallOptions } from '../../core/call-options.ts';
import { evenClock } from '../../core/clock.ts';
import type { Destination } from '../../core/copy/outcome.ts';
import { MirrorError } from '../../core/errors.ts';
import { type InstanceId, md5Of } from '../../core/identifiers.ts';
import type { MirrorRun } from '../../core/mirror/mirror-run.ts';
import { pauseBeside } from '../../core/mirror/pause/pause.ts';
import { progressBeside } from '../../core/mirror/progress.ts';
import { type Deletions, RemovalRecorder } from '../../core/mirror/record-removals.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import { tick } from '../../core/mirror/tick.ts';
import { type Archive, openArchive } from '../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { recordsThatCount } from '../../core/stores/archive/history.ts';
import { instanceKey } from '../../core/stores/archive/keys.ts';
import { MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';
import { SimulatedFeed } from '../support/simulated-feed.ts';

const id = sampleId(1);
const bytes = sampleBytes(1);
const otherBytes = sampleBytes(2);

class DeletingStore extends MemoryStore {
  /** Runs before an instance is deleted. */
  beforeDelete: (one: InstanceId) => Promise<void> = async () => undefined;

  async delete(one: InstanceId, _options?: CallOptions): Promise<void> {
    await this.beforeDelete(one);
    this.instances.delete(one);
  }
}

async function setUp() {
  const path = await mkdtemp(join(tmpdir(), 'orthanc-mirror-deletions-'));
  onTestFinished(() => rm(path, { recursive: true }));
  const archive = await openArchive(new FolderObjects(path), { createFor: { name: 'source' }, writer: 'run' });
  const importer = await openArchive(new FolderObjects(path), { writer: 'import' });
  const source = new MemoryStore('source');
  const target = new DeletingStore('target', [[id, bytes]]);
  const parts = { source, archive, targets: [target] };
  const storeAt = (place: Archive, one: Uint8Array) =>
    place.store({ id, md5: md5Of(one), sizeBytes: one.byteLength }, one);
  return {
    path,
    archive,
    source,
    target,
    archived: (one: Uint8Array) => storeAt(archive, one),
    imported: (one: Uint8Array) => storeAt(importer, one),
    records: async () => recordsThatCount(await archive.history.of(id)).map(({ what }) => what),
    propagate: (options: PropagateOptions = {}) => propagateDeletion(id, parts, options),
    parts,
  };
}

describe('an instance that the source no longer has', () => {
  test('is deleted at the target when the archive holds the very bytes', async () => {
    const { target, archive, archived, records, propagate } = await setUp();
    await archived(bytes);
    expect(await propagate()).toEqual({ kind: 'gone', kept: [] });
    expect([target.instances.size, await records()]).toEqual([0, ['current', 'removed']]);
    expect((await archive.history.of(id)).versions).toHaveLength(1);
  });

  test('is recorded as removed before the target deletes it', async () => {
    const { target, archived, records, propagate } = await setUp();
    await archived(bytes);
    const before: unknown[] = [];
    target.beforeDelete = async () => void before.push(await records());
    await propagate();
    expect(before).toEqual([['current', 'removed']]);
  });

  test('stays where it is when the record cannot be written', async () => {
    const { target, archive, archived, propagate } = await setUp();
    await archived(bytes);
    archive.objects.putOnce = async () => {
      throw new MirrorError('full', 'the archive is full');
    };
    await expect(propagate()).rejects.toMatchObject({ code: 'full' });
    expect(target.instances.size).toBe(1);
  });

  test('is recorded once, however often it is found missing', async () => {
    const { archived, records, propagate } = await setUp();
    await archived(bytes);
    for (let time = 0; time < 3; time += 1) await propagate();
    expect(await records()).toEqual(['current', 'removed']);
    await archived(bytes);
    await propagate();
    expect(await records()).toEqual(['current', 'removed', 'current', 'removed']);
  });

  test('stays at a target that holds other bytes than the archive, which is told', async () => {
    const { target, archived, records, propagate } = await setUp();
    await archived(otherBytes);
    expect(await propagate()).toEqual({
      kind: 'gone',
      kept: [{ id, destination: 'target', reason: expect.stringContaining('by hand') }],
    });
    expect([target.instances.get(id), await records()]).toEqual([bytes, ['current', 'removed']]);
  });

  test('is deleted at a target that holds an older version that the archive has too', async () => {
    const { target, archived, propagate } = await setUp();
    await archived(bytes);
    await archived(otherBytes);
    expect(await propagate()).toMatchObject({ kept: [] });
    expect(target.instances.size).toBe(0);
  });

  test('is deleted at the target when it was imported, and the source had it since', async () => {
    const { target, imported, archived, records, propagate } = await setUp();
    await imported(bytes);
    await archived(bytes);
    expect(await propagate()).toEqual({ kind: 'gone', kept: [] });
    expect([target.instances.size, await records()]).toEqual([0, ['imported', 'current', 'removed']]);
  });

  test('stays when the object in the archive has another size', async () => {
    const { path, target, archived, propagate } = await setUp();
    await archived(bytes);
    await writeFile(join(path, instanceKey(id, md5Of(bytes))), bytes.subarray(1));
    expect(await propagate()).toMatchObject({ kept: [{ id }] });
    expect(target.instances.size).toBe(1);
  });

  test.each([
    ['the same', bytes, 0],
    ['other', otherBytes, 1],
  ])('is read back from a target without hashes that holds %s bytes', async (_, inArchive, left) => {
    const { target, archived, propagate } = await setUp();
    await archived(inArchive);
    target.keepsHashes = false;
    expect(await propagate()).toMatchObject({ kept: { length: left } });
    expect(target.instances.size).toBe(left);
  });

  test('is deleted at a target that tells the hash and no size', async () => {
    const { target, archived, propagate } = await setUp();
    await archived(bytes);
    target.lookup = async () => [{ id, md5: md5Of(bytes), sizeBytes: undefined }];
    expect(await propagate()).toEqual({ kind: 'gone', kept: [] });
    expect(target.instances.size).toBe(0);
  });

  test('is deleted at each target by what that one holds', async () => {
    const { archived, parts } = await setUp();
    await archived(bytes);
    const own = new DeletingStore('own', [[id, otherBytes]]);
    const empty = new DeletingStore('empty');
    const targets = [own, empty, ...parts.targets];
    expect(await propagateDeletion(id, { ...parts, targets })).toMatchObject({ kept: [{ destination: 'own' }] });
    expect(targets.map(({ instances }) => instances.size)).toEqual([1, 0, 0]);
  });

  test('is only told in a dry run', async () => {
    const { target, archived, records, propagate } = await setUp();
    await archived(bytes);
    expect(await propagate({ dryRun: true })).toEqual({ kind: 'gone', kept: [] });
    expect([target.instances.size, await records()]).toEqual([1, []]);
  });
});

describe('nothing happens to an instance', () => {
  test('that the source has after all', async () => {
    const { source, target, archived, records, propagate } = await setUp();
    await archived(bytes);
    source.instances.set(id, bytes);
    expect(await propagate()).toEqual({ kind: 'not-gone' });
    expect([target.instances.size, await records()]).toEqual([1, []]);
  });

  test('while the source does not answer', async () => {
    const { source, target, archived, records, propagate } = await setUp();
    await archived(bytes);
    source.before = () => {
      throw new MirrorError('unreachable', 'the source is away');
    };
    await expect(propagate()).rejects.toMatchObject({ code: 'unreachable' });
    expect([target.instances.size, await records()]).toEqual([1, []]);
  });

  test('that the archive never received', async () => {
    const { target, records, propagate } = await setUp();
    expect(await propagate()).toEqual({ kind: 'not-gone' });
    expect([target.instances.size, await records()]).toEqual([1, []]);
  });

  test('that was imported', async () => {
    const { target, imported, records, propagate } = await setUp();
    await imported(bytes);
    expect(await propagate()).toEqual({ kind: 'not-gone' });
    expect([target.instances.size, await records()]).toEqual([1, ['imported']]);
  });
});

/** Two targets and an archive that hold what a source holds that lost instance 1. */
async function mirrored({ isImported = false } = {}) {
  const { archive, archived, imported } = await setUp();
  const held = [1, 2, 3].map((n) => [sampleId(n), sampleBytes(n)] as const);
  const source = new MemoryStore('source', held.slice(1));
  const targets = [new DeletingStore('one', held), new DeletingStore('two', held)];
  await (isImported ? imported(bytes) : archived(bytes));
  for (const [one, content] of held.slice(1))
    await archive.store({ id: one, md5: md5Of(content), sizeBytes: content.byteLength }, content);
  const destinations: Destination[] = [
    ...targets.map((store) => ({ role: 'target' as const, store })),
    { role: 'archive', store: archive },
  ];
  let saved: Missing | undefined;
  const keeper = () =>
    new RemovalRecorder({
      document: {
        read: async () => saved && { value: saved, version: 'saved' },
        write: async (value) => {
          saved = value;
          return 'saved';
        },
      },
      limits: { maxCount: 5, maxPercent: 100, graceMs: 0 },
      deletesAtTargets: true,
      now: () => new Date(),
      propagate: (one, call) => propagateDeletion(one, { source, archive, targets }, call),
    });
  const parts = { source, destinations };
  const compare = async (options: Partial<MirrorRun> = {}): Promise<Deletions | undefined> =>
    (await runMirror({ ...parts, gone: keeper(), concurrency: 2, ...options })).deletions;
  return { compare, keeper, parts, targets, archive };
}

describe('comparisons', () => {
  test('delete at the targets what two of them in a row did not find at the source', async () => {
    const { compare, targets } = await mirrored();
    expect(await compare()).toEqual({ kind: 'none' });
    expect(await compare({ dryRun: true })).toEqual({ kind: 'gone', ids: [id], kept: [] });
    expect(targets.map(({ instances }) => instances.has(id))).toEqual([true, true]);
    expect(await compare()).toEqual({ kind: 'gone', ids: [id], kept: [] });
    expect(targets.map(({ instances }) => instances.has(id))).toEqual([false, false]);
    expect(await compare()).toEqual({ kind: 'none' });
  });

  test.each(['one', 'archive'])('delete nothing while %s is left out', async (name) => {
    const { compare, targets, archive } = await mirrored();
    const leftOut = name === 'archive' ? archive.name : name;
    const paused = new MirrorError('paused', 'paused by somebody');
    await compare();
    const leaveOut = async () => (one?: Destination) => (one?.store.name === leftOut ? paused : undefined);
    expect(await compare({ paused: leaveOut })).toBeUndefined();
    expect(targets.map(({ instances }) => instances.has(id))).toEqual([true, true]);
  });

  test('delete nothing when a target fails while something new is copied', async () => {
    const { compare, targets, parts } = await mirrored();
    await compare();
    // By then all are listed, and nothing seems to be missing but the one instance.
    parts.source.instances.set(sampleId(9), sampleBytes(9));
    const [, two] = targets;
    if (two === undefined) throw new Error('there are two targets');
    two.before = (call) => {
      if (call === 'store') throw new MirrorError('full', 'no room is left');
    };
    expect(await compare()).toBeUndefined();
    expect(targets.map(({ instances }) => instances.has(id))).toEqual([true, true]);
  });

  test('tell again and again of a version that only a target has', async () => {
    const { compare, targets } = await mirrored();
    targets[0]?.instances.set(id, otherBytes);
    await compare();
    for (let time = 0; time < 2; time += 1) {
      expect(await compare()).toMatchObject({ kind: 'gone', ids: [id], kept: [{ id, destination: 'one' }] });
      expect(targets.map(({ instances }) => instances.has(id))).toEqual([true, false]);
    }
    targets[0]?.instances.delete(id);
    expect(await compare()).toEqual({ kind: 'none' });
  });

  test('leave alone what only a target ever had, and do not count it', async () => {
    const { compare, targets } = await mirrored();
    for (let n = 10; n < 30; n += 1) targets[0]?.instances.set(sampleId(n), sampleBytes(n));
    await compare();
    expect(await compare()).toEqual({ kind: 'gone', ids: [id], kept: [] });
    expect(targets[0]?.instances.size).toBe(22);
  });

  test('leave alone what was imported', async () => {
    const { compare, targets } = await mirrored({ isImported: true });
    for (let time = 0; time < 3; time += 1) expect(await compare()).toEqual({ kind: 'none' });
    expect(targets.map(({ instances }) => instances.has(id))).toEqual([true, true]);
  });
});

describe('ticks of the scheduler', () => {
  async function ticking() {
    const { keeper, parts, targets, archive } = await mirrored();
    const next = () =>
      tick({
        ...parts,
        feed: new SimulatedFeed(),
        gone: keeper(),
        sourceIdentity: async () => 'database',
        document: progressBeside(archive.objects),
        send: async () => undefined,
        underLease: (work) => work(),
        clock: evenClock,
        compareEveryMs: 0,
        deadline: new AbortController().signal,
        pauses: {
          pause: pauseBeside(archive.objects),
          probeAfterMs: 0,
          graceMs: 0,
          random: () => 0.5,
          tryOut: async () => 'sent',
        },
      });
    return { next, targets };
  }

  test('delete at the targets what two of them in a row did not find at the source', async () => {
    const { next, targets } = await ticking();
    expect((await next()).deletions).toEqual({ kind: 'none' });
    expect((await next()).deletions).toEqual({ kind: 'gone', ids: [id], kept: [] });
    expect(targets.map(({ instances }) => instances.has(id))).toEqual([false, false]);
  });

  test('delete nothing while a target does not answer', async () => {
    const { next, targets } = await ticking();
    await next();
    const [one] = targets;
    if (one === undefined) throw new Error('there are two targets');
    one.before = () => {
      throw new MirrorError('unreachable', 'the target is away');
    };
    expect((await next()).deletions).toBeUndefined();
    expect(targets.map(({ instances }) => instances.has(id))).toEqual([true, true]);
  });

  test('count a version that only a target has among the conflicts', async () => {
    const { next, targets } = await ticking();
    targets[0]?.instances.set(id, otherBytes);
    await next();
    expect(await next()).toMatchObject({ conflicts: 1, deletions: { kept: [{ id, destination: 'one' }] } });
  });
});
