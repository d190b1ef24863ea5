import { expect, test } from 'vitest';
import { type ArchiveCount, continueCount } from '../../core/cloud/status/archive-count.ts';
import type { InstanceId, Md5 } from '../../core/identifiers.ts';
import type { InventoryEntry, InventoryOptions } from '../../core/stores/store.ts';

const idOf = (n: number): InstanceId => `${n}`.padStart(8, '0').concat('-00000000'.repeat(4)) as InstanceId;
const nothing: ArchiveCount = { complete: null, unfinished: null };
const now = () => new Date('2026-11-21T12:00:00.000Z');
const everyMs = 86_400_000;

/** Five instances of 10 bytes each; the third has two versions. */
const entries: InventoryEntry[] = [0, 1, 2, 2, 3, 4].map((n, version) => ({
  id: idOf(n),
  md5: `${version}`.padStart(32, '0') as Md5,
  sizeBytes: 10,
}));

/** An archive that calls `onEntry` before each entry that it lists. */
function archiveWith(onEntry: (id: InstanceId) => void = () => undefined) {
  return {
    async *versions({ after }: InventoryOptions): AsyncGenerator<InventoryEntry> {
      for (const entry of entries) {
        if (after !== undefined && entry.id <= after) continue;
        onEntry(entry.id);
        yield entry;
      }
    },
  };
}

const complete = { instances: 5, versions: 6, bytes: 60, countedAt: now().toISOString() };

test('counts instances, versions and bytes', async () => {
  const deadline = new AbortController().signal;
  expect(await continueCount(nothing, { archive: archiveWith(), now, everyMs, deadline })).toEqual({
    complete,
    unfinished: null,
  });
});

test.each([0, 1, 2, 3, 4])(
  'a count that a deadline cut at instance %i goes on behind it and loses nothing',
  async (n) => {
    const cut = new AbortController();
    const archive = archiveWith((id) => {
      if (id === idOf(n)) cut.abort();
    });
    const first = await continueCount(nothing, { archive, now, everyMs, deadline: cut.signal });
    const deadline = new AbortController().signal;
    const second = await continueCount(first, { archive: archiveWith(), now, everyMs, deadline });
    expect(second).toEqual({ complete, unfinished: null });
  },
);

test('a count that is recent is not repeated, and an old one is', async () => {
  const deadline = new AbortController().signal;
  let listed = 0;
  const archive = archiveWith(() => {
    listed += 1;
  });
  const before: ArchiveCount = { complete: { ...complete, instances: 1 }, unfinished: null };
  expect(await continueCount(before, { archive, now, everyMs, deadline })).toEqual(before);
  expect(listed).toBe(0);
  const tomorrow = () => new Date(now().getTime() + everyMs);
  const { complete: counted } = await continueCount(before, { archive, now: tomorrow, everyMs, deadline });
  expect(counted).toMatchObject({ instances: 5 });
});
