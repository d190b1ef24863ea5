/** How an archive records what its source holds, and what that costs. */
import { describe, expect, test } from 'vitest';
import { ArchiveView, type ViewOptions } from '../../core/archive-life/restore/archive-view.ts';
import { copyOverDamage, supersedeIn } from '../../core/archive-life/verify/repair.ts';
import { verifyStore } from '../../core/archive-life/verify/verify.ts';
import { defaultBudget } from '../../core/copy/copy-context.ts';
import { copyInstance } from '../../core/copy/copy-instance.ts';
import { MirrorError } from '../../core/errors.ts';
import { compareStores } from '../../core/mirror/check.ts';
import { planCopies } from '../../core/mirror/plan.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import { type Archive, openArchive } from '../../core/stores/archive/archive.ts';
import { EveryVersion } from '../../core/stores/archive/every-version.ts';
import type { ArchiveWriter } from '../../core/stores/archive/history-record.ts';
import { historyKey, instanceKey } from '../../core/stores/archive/keys.ts';
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

describe('what an archive is asked for', () => {
  /** Forty instances, every second one with two versions; with the hash that each had at first, and has now. */
  async function manyInstances() {
    const { source, mirror, objects, archive, clock } = await newArchive();
    const ids = Array.from({ length: 40 }, (_, n) => sampleId(n)).toSorted();
    for (const one of ids) source.instances.set(one, Buffer.from(`${one} at first`));
    await mirror();
    const before = new Date(clock.ms);
    clock.ms += hourMs;
    for (const [n, one] of ids.entries()) if (n % 2 === 0) source.instances.set(one, Buffer.from(`${one} now`));
    await mirror();
    objects.calls.get = 0;
    return { objects, archive, before, ids };
  }

  test('for now is answered by its keys: no record is read', async () => {
    const { objects, archive, ids } = await manyInstances();
    expect(await Array.fromAsync(new ArchiveView(archive).inventory())).toHaveLength(ids.length);
    expect(await Array.fromAsync(archive.known())).toHaveLength(ids.length);
    expect(await Array.fromAsync(new EveryVersion(archive).inventory())).toHaveLength(60);
    expect(await new ArchiveView(archive).lookup(id)).toHaveLength(1);
    expect(objects.calls.get).toBe(0);
  });

  test('for a moment costs one request for each record, and none for what has none; in order of id', async () => {
    const { objects, archive, before, ids } = await manyInstances();
    const held = await Array.fromAsync(new ArchiveView(archive, { at: before }).inventory());
    expect(held.map((entry) => [entry.id, entry.md5])).toEqual(
      ids.map((one) => [one, md5Of(Buffer.from(`${one} at first`))]),
    );
    expect(objects.calls.get).toBe(20 * 2);
  });

  test('for a moment reads several records at once, and no more than a few, however many there are', async () => {
    const { objects, archive, before } = await manyInstances();
    const get = objects.get.bind(objects);
    let [underWay, most] = [0, 0];
    objects.get = async (key, options) => {
      underWay += 1;
      most = Math.max(most, underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay -= 1;
      return get(key, options);
    };
    expect(await Array.fromAsync(new ArchiveView(archive, { at: before }).inventory())).toHaveLength(40);
    expect(most).toBeGreaterThan(4);
    expect(most).toBeLessThan(20);
  });

  test('for a moment, of some instances, reads no record of others', async () => {
    const { objects, archive, before, ids } = await manyInstances();
    const only = new Set(ids.slice(0, 3));
    expect(await Array.fromAsync(new ArchiveView(archive, { at: before, only }).inventory())).toHaveLength(3);
    expect(objects.calls.get).toBe(2 * 2);
  });

  test('for what is so since a time reads the records, and finds it', async () => {
    const { archive, before, ids } = await manyInstances();
    const found = await Array.fromAsync(new ArchiveView(archive, { since: before }).inventory());
    expect(found.map((entry) => entry.id)).toEqual(ids.filter((_, n) => n % 2 === 0));
  });
});

describe('a record that is damaged', () => {
  const body = { id, number: 1, what: 'current', md5: md5Of(first), at: '2026-11-21T00:00:00.000Z' };
  const text = (change: object) => JSON.stringify({ ...body, ...change });
  const damages = [
    ['empty', ''],
    ['cut', text({}).slice(0, -1)],
    ['without a time', text({ at: undefined })],
    ['with a day that there is not', text({ at: '2026-02-31T00:00:00.000Z' })],
    ['of another format', text({ format: 'other' })],
    ['of a newer version', text({ version: 2 })],
    ['with another id than its key', text({ id: sampleId(2) })],
    ['with another number', text({ number: 2 })],
    ['of another kind', text({ what: 'imported' })],
    ['with another hash', text({ md5: md5Of(second) })],
    ['longer than any record', text({ more: ' '.repeat(100_000) })],
  ] as const;
  const key = historyKey({ id, number: 1, what: 'current', md5: md5Of(first) });

  /** Two instances with two versions; the first record of one of them is replaced. */
  async function damaged(bytes: string) {
    const made = await newArchive();
    const { source, mirror, objects, archive, clock } = made;
    const other = sampleId(2);
    for (const one of [id, other]) source.instances.set(one, first);
    await mirror();
    const before = new Date(clock.ms);
    clock.ms += hourMs;
    for (const one of [id, other]) source.instances.set(one, second);
    await mirror();
    objects.stored.delete(key);
    await objects.putOnce(key, Buffer.from(bytes), { sizeBytes: Buffer.byteLength(bytes) });
    const view = (onUnreadable?: ViewOptions['onUnreadable']) => new ArchiveView(archive, { at: before, onUnreadable });
    return { ...made, other, view };
  }

  test.each(damages)(
    '%s: what counts now is as before; of the past it costs this one id, which is told',
    async (_, bytes) => {
      const { archive, other, view } = await damaged(bytes);
      const now = await Array.fromAsync(new ArchiveView(archive).inventory());
      expect(now.map((entry) => [entry.id, entry.md5])).toEqual(
        [id, other].toSorted().map((one) => [one, md5Of(second)]),
      );
      const told: [string, MirrorError][] = [];
      const then = await Array.fromAsync(view((one, error) => told.push([one, error])).inventory());
      expect(then).toMatchObject([{ id: other, md5: md5Of(first) }]);
      expect(told).toMatchObject([[id, { code: 'history-damaged', disposition: 'reject' }]]);
      expect(told[0]?.[1].message).toContain(`memory: ${key} is damaged`);
    },
  );

  test('is never left out without a word: who does not listen is thrown the error, and so is who asks for the id', async () => {
    const { view } = await damaged('{}');
    const thrown = expect.objectContaining({ code: 'history-damaged' });
    await expect(Array.fromAsync(view().inventory())).rejects.toThrow(thrown);
    await expect(view().lookup(id)).rejects.toThrow(thrown);
  });

  test('and is the last one keeps nothing from being recorded after it', async () => {
    const { source, mirror, archive, objects } = await damaged('{}');
    const last = historyKey({ id, number: 2, what: 'current', md5: md5Of(second) });
    const { stored } = objects;
    stored.set(last, { ...(stored.get(last) ?? expect.fail('no record')), bytes: Buffer.from('{') });
    source.instances.set(id, first);
    expect(await mirror()).toBe(1);
    expect(await restored(archive)).toBe(md5Of(first));
  });

  test('as what says no more than when it was made is not: the key says the rest', async () => {
    const { view } = await damaged('{"at":"2026-11-21T00:00:00Z"}');
    expect(await view().lookup(id)).toMatchObject([{ id, md5: md5Of(first) }]);
  });

  test('that cannot be read for now costs this one id, too, and may be read another time', async () => {
    const { objects, other, view } = await damaged(text({}));
    const get = objects.get.bind(objects);
    objects.get = (one, options) =>
      one === key ? Promise.reject(new MirrorError('server-error', 'a disk error')) : get(one, options);
    const told: string[] = [];
    const then = await Array.fromAsync(view((one, { disposition }) => told.push(`${one} ${disposition}`)).inventory());
    expect(then).toMatchObject([{ id: other }]);
    expect(told).toEqual([`${id} retry`]);
  });
});

describe('two processes', () => {
  test('that record the same make one record of it, and what follows is never before it', async () => {
    const { source, mirror, archive, objects, open, clock } = await newArchive();
    source.instances.set(id, first);
    await mirror();
    const slow = await archive.history.of(id);
    clock.ms += hourMs;
    await (await open('repair')).recordRemoval(id);
    clock.ms -= 2 * hourMs;
    const after = await archive.history.append(slow, { what: 'removed' });
    await archive.history.append(after, { what: 'current', md5: md5Of(first) });
    expect(recordsIn(objects).map(({ number, what, at }) => [number, what, at])).toEqual([
      [1, 'current', '2026-11-21T00:00:00.000Z'],
      [2, 'removed', '2026-11-21T02:00:00.000Z'],
      [3, 'current', '2026-11-21T02:00:00.000Z'],
    ]);
    expect(await restored(archive)).toBe(md5Of(first));
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
  test('is not believed to hold the instance; a comparison decides, and a restore takes the newest meanwhile', async () => {
    const { source, mirror, archive, objects, clock } = await newArchive();
    for (const bytes of [first, second]) {
      clock.ms += hourMs;
      await objects.putOnce(instanceKey(id, md5Of(bytes)), bytes, { sizeBytes: bytes.length });
    }
    expect(await archive.lookup(id)).toEqual([]);
    const undecided: string[] = [];
    const observer = { onUndecided: (one: string) => void undecided.push(one) };
    const view = new ArchiveView(archive, { observer });
    expect(await Array.fromAsync(view.inventory())).toMatchObject([{ id, md5: md5Of(second) }]);
    expect(undecided).toEqual([id]);
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
    const repair = { damaged, putRight: supersedeIn(archive), goodCopies: [source], budget: defaultBudget() };
    clock.ms += 24 * hourMs;
    expect(await copyOverDamage(id, md5Of(first), repair)).toMatchObject({ kind: 'repaired' });
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
    const repair = { damaged, putRight: supersedeIn(archive), goodCopies: [source], budget: defaultBudget() };
    expect(await copyOverDamage(id, md5Of(second), repair)).toMatchObject({ kind: 'repaired' });
    expect(await restored(archive)).toBe(md5Of(second));
  });

  test('is not put right with what a store has by the time that it is read', async () => {
    const { source, mirror, archive, objects } = await newArchive();
    source.instances.set(id, first);
    await mirror();
    const key = instanceKey(id, md5Of(first));
    await objects.delete(key);
    await objects.putOnce(key, Buffer.from('damaged'), { sizeBytes: 7 });
    source.before = (call) => {
      if (call === 'open') source.instances.set(id, second);
    };
    const damaged = new EveryVersion(archive);
    const repair = { damaged, putRight: supersedeIn(archive), goodCopies: [source], budget: defaultBudget() };
    expect(await copyOverDamage(id, md5Of(first), repair)).toMatchObject({
      kind: 'not-repaired',
      error: { code: 'changed-meanwhile' },
    });
    expect((await objects.head(key))?.sizeBytes).toBe(7);
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
