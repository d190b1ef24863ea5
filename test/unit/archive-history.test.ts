/** How an archive records what its source holds, and what that costs. */
import { describe, expect, test } from 'vitest';
import { compareStores } from '../../core/compare/check.ts';
import { planCopies } from '../../core/compare/plan.ts';
import { copyInstance, defaultBudget } from '../../core/copy/copy-instance.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import { ArchiveView } from '../../core/restore/archive-view.ts';
import { type Archive, openArchive } from '../../core/stores/archive/archive.ts';
import type { ArchiveWriter } from '../../core/stores/archive/archive-history.ts';
import { EveryVersion } from '../../core/stores/archive/every-version.ts';
import { instanceKey } from '../../core/stores/archive/keys.ts';
import { mendInstance, supersedeIn } from '../../core/verify/mend.ts';
import { verifyStore } from '../../core/verify/verify.ts';
import { identityOf, md5Of, recordsIn } from '../support/histories/archived.ts';
import { MemoryObjects } from '../support/memory-objects.ts';
import { MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';

const id = sampleId(1);
const [first, second] = [sampleBytes(1), sampleBytes(2)];
const hourMs = 3_600_000;

/** An archive in memory and the clock of the machine that writes to it. */
async function newArchive() {
  const clock = { ms: Date.parse('2026-11-21T00:00:00Z') };
  const objects = new MemoryObjects({ now: () => clock.ms });
  const now = () => new Date(clock.ms);
  const open = (writer: ArchiveWriter) => openArchive(objects, { createFor: { name: 'source' }, writer, now });
  const source = new MemoryStore('source');
  const archive = await open('run');
  const mirror = async (): Promise<number> => {
    const destinations = [{ role: 'archive', store: archive } as const];
    const { summary } = await runMirror({ source, destinations, concurrency: 1 });
    clock.ms += hourMs;
    return summary.instances.copied;
  };
  return { clock, objects, archive, open, source, mirror };
}

/** What a restore gives now or at a moment, as MD5. */
async function restored(archive: Archive, at?: Date): Promise<string | undefined> {
  const [entry] = await Array.fromAsync(new ArchiveView(archive, { at }).inventory());
  return entry?.md5;
}

describe('a mirror to an archive', () => {
  test('records nothing for what has one version and was never gone', async () => {
    const { source, mirror, objects, archive } = await newArchive();
    source.instances.set(id, first);
    await mirror();
    await mirror();
    expect(recordsIn(objects)).toEqual([]);
    expect(await restored(archive)).toBe(md5Of(first));
  });

  test('records the first version with the time of its object before the second appears', async () => {
    const { source, mirror, objects, archive } = await newArchive();
    source.instances.set(id, first);
    await mirror();
    source.instances.set(id, second);
    await mirror();
    expect(recordsIn(objects)).toEqual([
      { number: 1, what: 'current', md5: md5Of(first), at: '2026-11-21T00:00:00.000Z', by: 'run', origin: 'object' },
      { number: 2, what: 'current', md5: md5Of(second), at: '2026-11-21T01:00:00.000Z', by: 'run', origin: 'source' },
    ]);
    expect(await restored(archive)).toBe(md5Of(second));
    expect(await restored(archive, new Date('2026-11-21T00:30:00Z'))).toBe(md5Of(first));
  });

  test('records that content was changed back, and reads nothing from the source for it', async () => {
    const { source, mirror, archive } = await newArchive();
    source.instances.set(id, first);
    await mirror();
    source.instances.set(id, second);
    await mirror();
    source.instances.set(id, first);
    source.calls.open = 0;
    expect(await mirror()).toBe(1);
    expect(source.calls.open).toBe(0);
    expect(await restored(archive)).toBe(md5Of(first));
    expect(await mirror()).toBe(0);
  });

  test('records a removal and a return, and reads nothing for that either', async () => {
    const { source, mirror, archive, clock } = await newArchive();
    source.instances.set(id, first);
    await mirror();
    await archive.recordRemoval(id);
    await archive.recordRemoval(id);
    const gone = new Date(clock.ms);
    clock.ms += hourMs;
    expect(await restored(archive)).toBeUndefined();
    source.calls.open = 0;
    expect(await mirror()).toBe(1);
    expect(source.calls.open).toBe(0);
    expect(await restored(archive)).toBe(md5Of(first));
    expect(await restored(archive, gone)).toBeUndefined();
    expect(await mirror()).toBe(0);
  });

  test('records no removal of what the archive never had', async () => {
    const { archive, objects } = await newArchive();
    await archive.recordRemoval(id);
    expect(recordsIn(objects)).toEqual([]);
  });

  test('costs one write for a first version, and no request more', async () => {
    const { source, objects, archive } = await newArchive();
    source.instances.set(id, first);
    const destinations = [{ role: 'archive', store: archive } as const];
    const [planned] = await Array.fromAsync(planCopies(source, destinations));
    const before = { ...objects.calls };
    expect(planned?.request?.kept).toBe('nothing');
    await archive.store(identityOf(id, first), first, { isAbsent: true });
    expect(objects.calls).toEqual({ ...before, putOnce: before.putOnce + 1 });
  });

  test('records another version that is announced, and not compared, too', async () => {
    const { source, mirror, archive, objects } = await newArchive();
    source.instances.set(id, first);
    await mirror();
    source.instances.set(id, second);
    const request = { id, lacking: [], undecided: [{ role: 'archive', store: archive } as const] };
    const { outcomes } = await copyInstance(request, { source, budget: defaultBudget() });
    expect(outcomes).toMatchObject([{ kind: 'copied' }]);
    expect(recordsIn(objects)).toHaveLength(2);
    expect(await restored(archive)).toBe(md5Of(second));
  });

  test('asks once for an id that the archive does not know', async () => {
    const { objects, archive } = await newArchive();
    const before = { ...objects.calls };
    expect(await archive.knownOf(id)).toBeUndefined();
    expect(objects.calls).toEqual({ ...before, list: before.list + 1 });
  });

  test('gives records times that never go back, although the clock does', async () => {
    const { source, mirror, objects, clock, archive } = await newArchive();
    source.instances.set(id, first);
    await mirror();
    clock.ms += 24 * hourMs;
    source.instances.set(id, second);
    await mirror();
    clock.ms -= 30 * hourMs;
    source.instances.set(id, first);
    await mirror();
    expect(recordsIn(objects).map(({ at }) => at)).toEqual([
      '2026-11-21T00:00:00.000Z',
      '2026-11-22T01:00:00.000Z',
      '2026-11-22T01:00:00.000Z',
    ]);
    expect(await restored(archive)).toBe(md5Of(first));
  });

  test('keeps the present when the archive is copied with other times', async () => {
    const { source, mirror, objects } = await newArchive();
    for (const bytes of [first, second, first]) {
      source.instances.set(id, bytes);
      await mirror();
    }
    const copy = await openArchive(objects.copyTo(new MemoryObjects({ now: () => 0 })));
    expect(await restored(copy)).toBe(md5Of(first));
  });
});

describe('a writer that was killed', () => {
  test('between the record of the first version and the second object leaves the first as the current one', async () => {
    const { source, mirror, archive } = await newArchive();
    source.instances.set(id, first);
    await mirror();
    await archive.history.withFirst(await archive.history.of(id));
    expect(await restored(archive)).toBe(md5Of(first));
    source.instances.set(id, second);
    await mirror();
    expect(await restored(archive)).toBe(md5Of(second));
  });

  test('between the second object and its record leaves the first, until the next comparison', async () => {
    const { source, mirror, archive, objects } = await newArchive();
    source.instances.set(id, first);
    await mirror();
    await archive.history.withFirst(await archive.history.of(id));
    await objects.putOnce(instanceKey(id, md5Of(second)), second, { sizeBytes: second.length });
    expect(await restored(archive)).toBe(md5Of(first));
    source.instances.set(id, second);
    source.calls.open = 0;
    expect(await mirror()).toBe(1);
    expect(source.calls.open).toBe(0);
    expect(await restored(archive)).toBe(md5Of(second));
  });
});

describe('an archive with several versions and no record', () => {
  test('is not believed to hold the instance; a comparison settles it, and a restore takes the newest meanwhile', async () => {
    const { source, mirror, archive, objects, clock } = await newArchive();
    for (const bytes of [first, second]) {
      clock.ms += hourMs;
      await objects.putOnce(instanceKey(id, md5Of(bytes)), bytes, { sizeBytes: bytes.length });
    }
    expect(await archive.lookup(id)).toEqual([]);
    const unsettled: string[] = [];
    const observer = { onUnsettled: (one: string) => void unsettled.push(one) };
    const view = new ArchiveView(archive, { observer });
    expect(await Array.fromAsync(view.inventory())).toMatchObject([{ id, md5: md5Of(second) }]);
    expect(unsettled).toEqual([id]);
    source.instances.set(id, first);
    await mirror();
    expect(await restored(archive)).toBe(md5Of(first));
  });
});

describe('an import', () => {
  const importInto = async (archive: Archive, bytes: Uint8Array) => archive.store(identityOf(id, bytes), bytes);

  test('is the current version of an id that the archive does not know, and is not missing at the source', async () => {
    const { open, archive, source, mirror } = await newArchive();
    expect(await importInto(await open('import'), first)).toEqual({ kind: 'stored' });
    expect(await restored(archive)).toBe(md5Of(first));
    expect(await archive.knownOf(id)).toMatchObject({ standing: 'held', isForeign: true });
    await mirror();
    const [compared] = await Array.fromAsync(compareStores(source, [{ role: 'archive', store: archive }]));
    expect(compared?.comparisons).toMatchObject([{ kind: 'removed' }]);
  });

  test('of other bytes is kept beside what the source holds', async () => {
    const { open, archive, source, mirror, objects } = await newArchive();
    source.instances.set(id, first);
    await mirror();
    expect(await importInto(await open('import'), second)).toEqual({ kind: 'stored', isKeptBeside: true });
    expect(await restored(archive)).toBe(md5Of(first));
    expect(recordsIn(objects)).toMatchObject([{ number: 1, what: 'current', md5: md5Of(first), by: 'import' }]);
    expect(await mirror()).toBe(0);
    expect(await restored(archive)).toBe(md5Of(first));
  });

  test('does not bring back what the source removed', async () => {
    const { open, archive, source, mirror } = await newArchive();
    source.instances.set(id, first);
    await mirror();
    await archive.recordRemoval(id);
    expect(await importInto(await open('inbox'), first)).toEqual({ kind: 'already-equal', isKeptBeside: true });
    expect(await importInto(await open('inbox'), second)).toEqual({ kind: 'stored', isKeptBeside: true });
    expect(await restored(archive)).toBeUndefined();
  });

  test('of a second version of an id that the source never had leaves the first', async () => {
    const { open, archive } = await newArchive();
    const importing = await open('import');
    await importInto(importing, first);
    expect(await importInto(importing, second)).toEqual({ kind: 'stored', isKeptBeside: true });
    expect(await importInto(importing, first)).toEqual({ kind: 'already-equal' });
    expect(await restored(archive)).toBe(md5Of(first));
  });

  test('of two versions at once leaves one of them current and tells of the other', async () => {
    const { open, archive } = await newArchive();
    const importing = await open('import');
    const outcomes = await Promise.all([importInto(importing, first), importInto(importing, second)]);
    expect(outcomes).toEqual([{ kind: 'stored' }, { kind: 'stored', isKeptBeside: true }]);
    expect(await restored(archive)).toBe(md5Of(first));
  });

  test('of what the source turns out to hold becomes the source’s, once, and its absence counts from then on', async () => {
    const { open, archive, source, mirror, objects } = await newArchive();
    await importInto(await open('import'), first);
    source.instances.set(id, first);
    source.calls.open = 0;
    await mirror();
    await mirror();
    expect(source.calls.open).toBe(0);
    expect(recordsIn(objects)).toMatchObject([
      { number: 1, what: 'imported', origin: 'import', by: 'import' },
      { number: 2, what: 'current', origin: 'source', by: 'run' },
    ]);
    expect(await archive.knownOf(id)).toMatchObject({ isForeign: false });
    await archive.recordRemoval(id);
    expect(await restored(archive)).toBeUndefined();
  });

  test('gives way to other bytes of the source', async () => {
    const { open, archive, source, mirror } = await newArchive();
    await importInto(await open('import'), first);
    source.instances.set(id, second);
    await mirror();
    expect(await restored(archive)).toBe(md5Of(second));
  });

  test('that was killed before its object is written is none', async () => {
    const { open, archive, source, mirror } = await newArchive();
    const importing = await open('import');
    await importing.history.append({ id, versions: [], records: [] }, { what: 'imported', md5: md5Of(first) });
    expect(await Array.fromAsync(archive.known())).toEqual([]);
    source.instances.set(id, second);
    await mirror();
    expect(await archive.knownOf(id)).toMatchObject({ standing: 'held', md5: md5Of(second), isForeign: false });
    // The bytes of the killed import come after all: they are kept beside.
    expect(await importInto(importing, first)).toEqual({ kind: 'stored', isKeptBeside: true });
    expect(await restored(archive)).toBe(md5Of(second));
  });
});

describe('damage', () => {
  test('that is put right changes neither the present nor the past, although the object has another time', async () => {
    const { source, mirror, archive, objects, clock } = await newArchive();
    source.instances.set(id, first);
    await mirror();
    const before = new Date(clock.ms);
    const damaged = new EveryVersion(archive);
    const mend = { damaged, putRight: supersedeIn(archive), goodCopies: [source], budget: defaultBudget() };
    clock.ms += 24 * hourMs;
    expect(await mendInstance(id, md5Of(first), mend)).toMatchObject({ kind: 'mended' });
    expect((await objects.head(instanceKey(id, md5Of(first))))?.lastModified.getTime()).toBe(clock.ms);
    expect(await restored(archive)).toBe(md5Of(first));
    expect(await restored(archive, before)).toBe(md5Of(first));
  });

  test('of a version whose object is gone is found, and put right from a store that has it', async () => {
    const { source, mirror, archive, objects } = await newArchive();
    for (const bytes of [first, second]) {
      source.instances.set(id, bytes);
      await mirror();
    }
    await objects.delete(instanceKey(id, md5Of(second)));
    const lost: string[] = [];
    const view = new ArchiveView(archive, { observer: { onLost: (_, md5) => void lost.push(md5) } });
    expect(await Array.fromAsync(view.inventory())).toEqual([]);
    expect(lost).toEqual([md5Of(second)]);
    const damaged = new EveryVersion(archive);
    const kinds = (await Array.fromAsync(verifyStore(damaged))).map(({ kind, md5 }) => [kind, md5]);
    expect(kinds).toContainEqual(['damaged', md5Of(second)]);
    const mend = { damaged, putRight: supersedeIn(archive), goodCopies: [source], budget: defaultBudget() };
    expect(await mendInstance(id, md5Of(second), mend)).toMatchObject({ kind: 'mended' });
    expect(await restored(archive)).toBe(md5Of(second));
  });

  test('of the size of a kept version is not taken for the bytes of the source', async () => {
    const { source, mirror, archive, objects } = await newArchive();
    for (const bytes of [first, second]) {
      source.instances.set(id, bytes);
      await mirror();
    }
    const key = instanceKey(id, md5Of(first));
    await objects.delete(key);
    await objects.putOnce(key, first.subarray(1), { sizeBytes: first.length - 1 });
    source.instances.set(id, first);
    const destinations = [{ role: 'archive', store: archive } as const];
    const { summary } = await runMirror({ source, destinations, concurrency: 1 });
    expect(summary.instances).toMatchObject({ copied: 0, rejected: 1 });
    expect(await restored(archive)).toBe(md5Of(second));
  });

  describe('gets a version back that it lost', () => {
    /** An archive that held the first version, and lost it without a record; then `then` happens, and it is put back. */
    async function putBack(then: (setUp: Awaited<ReturnType<typeof newArchive>>) => Promise<unknown> = async () => 0) {
      const setUp = await newArchive();
      const { source, mirror, objects, archive, clock } = setUp;
      const heldAt = new Date(clock.ms);
      source.instances.set(id, first);
      await mirror();
      objects.stored.delete(instanceKey(id, md5Of(first)));
      await then(setUp);
      await archive.putBack(identityOf(id, first), heldAt, first);
      clock.ms += hourMs;
      return { ...setUp, heldAt };
    }

    test('and holds it at the time at which it was known to be there', async () => {
      const { archive, heldAt } = await putBack();
      expect(await restored(archive)).toBe(md5Of(first));
      expect(await restored(archive, heldAt)).toBe(md5Of(first));
    });

    test('and goes on to give the version that came since', async () => {
      const { archive, heldAt, mirror } = await putBack(async ({ source, mirror }) => {
        source.instances.set(id, second);
        await mirror();
      });
      expect(await restored(archive)).toBe(md5Of(second));
      expect(await restored(archive, heldAt)).toBe(md5Of(first));
      expect(await mirror()).toBe(0);
    });

    test('and does not bring back what was removed', async () => {
      const { archive, heldAt } = await putBack(async ({ archive, objects }) => {
        const object = instanceKey(id, md5Of(first));
        await archive.store(identityOf(id, first), first);
        await archive.recordRemoval(id);
        objects.stored.delete(object);
      });
      expect(await restored(archive)).toBeUndefined();
      expect(await restored(archive, new Date(heldAt.getTime() + hourMs))).toBeUndefined();
    });
  });
});
