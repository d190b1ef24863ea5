import { expect, test } from 'vitest';
import { oldestUnverifiedMs, type Rotation, sharesPerRun, slotCount } from '../../core/archive-life/verify/rotation.ts';
import {
  type ShareProblem,
  type ShareReport,
  type VerifyShareOptions,
  verifyShare,
} from '../../core/archive-life/verify/verify-share.ts';
import { MirrorError } from '../../core/errors.ts';
import { type InstanceId, type Md5, md5Of } from '../../core/identifiers.ts';
import { openArchive } from '../../core/stores/archive/archive.ts';
import type { InventoryEntry, InventoryOptions, OpenInstance, Store } from '../../core/stores/store.ts';
import { addSidecar, instanceId, studyId, studySidecar } from '../support/archived-studies.ts';
import { MemoryObjects } from '../support/memory-objects.ts';
import { MemoryStore } from '../support/memory-store.ts';

const bytes = Buffer.from('what the archive holds');
/** In the first slot: 20 instances, the fifth of which has two versions. */
const entries: InventoryEntry[] = Array.from({ length: 20 }, (_, n) => entryOf(n, md5Of(bytes)))
  .flatMap((entry, n) => (n === 5 ? [{ ...entry, md5: 'f'.repeat(32) as Md5 }, entry] : [entry]))
  .toSorted((one, other) => (one.id < other.id ? -1 : 1));

function entryOf(n: number, md5: Md5): InventoryEntry {
  return {
    id: `0000${n.toString(16).padStart(4, '0')}`.concat('-00000000'.repeat(4)) as InstanceId,
    md5,
    sizeBytes: 22,
  };
}

class FixedStore implements Store {
  readonly name = 'the archive';
  readonly opened: string[] = [];
  readonly #onOpen: (count: number) => void;

  constructor(onOpen: (count: number) => void = () => undefined) {
    this.#onOpen = onOpen;
  }

  async *inventory({ after }: InventoryOptions = {}): AsyncGenerator<InventoryEntry> {
    for (const entry of entries) if (after === undefined || entry.id > after) yield entry;
  }

  async lookup(): Promise<readonly InventoryEntry[]> {
    throw new Error('a verification looks nothing up');
  }

  async open(id: InstanceId, { md5, signal }: { md5?: Md5; signal?: AbortSignal } = {}): Promise<OpenInstance> {
    this.opened.push(`${id}/${md5}`);
    this.#onOpen(this.opened.length);
    if (signal?.aborted) throw new MirrorError('deadline', 'over');
    async function* body(): AsyncGenerator<Uint8Array> {
      yield bytes;
    }
    return { id, md5, sizeBytes: bytes.length, body: body(), cancel: () => undefined };
  }

  async close(): Promise<void> {
    return undefined;
  }
}

/** A document in memory. */
function documentOf() {
  let kept: Rotation | undefined;
  return {
    kept: () => kept,
    read: async () => kept && { value: kept, version: '1' },
    write: async (value: Rotation) => {
      kept = value;
      return '1';
    },
  };
}

const now = () => new Date('2026-11-21T12:00:00.000Z');

test('a share is read to its end: what is sound is counted, what is not is told', async () => {
  const document = documentOf();
  const report = await share({ store: new FixedStore(), document, now, deadline: new AbortController().signal });
  expect(report).toMatchObject({ sound: 20, complete: true, problems: [{ kind: 'damaged', md5: 'f'.repeat(32) }] });
  expect(document.kept()?.slots.filter((seconds) => seconds > 0)).toHaveLength(1);
});

// The damaged version is read twice.
test.each(Array.from({ length: entries.length + 1 }, (_, n) => n + 1))(
  'a share cut after %i readings goes on behind the last instance that was read whole',
  async (cutAt) => {
    const document = documentOf();
    const deadline = new AbortController();
    const first = new FixedStore((count) => {
      if (count === cutAt) deadline.abort();
    });
    const cut = await share({ store: first, document, now, deadline: deadline.signal });
    expect(cut.complete).toBe(false);
    const second = new FixedStore();
    const rest = await share({ store: second, document, now, deadline: new AbortController().signal });
    expect(rest.complete).toBe(true);
    expect(cut.sound + rest.sound).toBeGreaterThanOrEqual(20);
    expect([...cut.problems, ...rest.problems]).toContainEqual(expect.objectContaining({ kind: 'damaged' }));
  },
);

/** Reads the share that is due in a period of 30 days. */
async function share(options: Omit<VerifyShareOptions, 'everyDays'>): Promise<ShareReport> {
  const report = await verifyShare({ ...options, everyDays: 30 });
  if (report === undefined) throw new Error('no share is due');
  return report;
}

test('run after run the whole store is read, and the oldest reading is told', async () => {
  const document = documentOf();
  const deadline = new AbortController().signal;
  let at = now().getTime();
  const later = () => new Date(at);
  let oldestMs = 0;
  for (let run = 0; run < slotCount; run += 1) {
    at += 3_600_000;
    ({ oldestUnverifiedMs: oldestMs } = await share({ store: new FixedStore(), document, now: later, deadline }));
  }
  expect(document.kept()?.slots.every((seconds) => seconds > 0)).toBe(true);
  expect(oldestMs / 86_400_000).toBeLessThan(30);
});

test.each([1, 7, 30, 90, 365])(
  'in a period of %i days everything is read once, and not much oftener',
  async (everyDays) => {
    let rotation: Rotation | undefined;
    let nowMs = Date.parse('2026-01-01T00:00:00Z');
    let read = 0;
    const store = {
      read: async () => rotation && { value: rotation, version: '' },
      write: async (value: Rotation) => {
        rotation = value;
        return '';
      },
    };
    const deadline = new AbortController().signal;
    const empty = new MemoryStore('empty');
    for (let hour = 0; hour < 2 * everyDays * 24; hour += 1) {
      nowMs += 3_600_000;
      for (let n = 0; n < sharesPerRun(everyDays); n += 1) {
        const options = { store: empty, document: store, everyDays, now: () => new Date(nowMs), deadline };
        if ((await verifyShare(options)) === undefined) break;
        read += 1;
      }
    }
    expect(rotation === undefined ? 0 : oldestUnverifiedMs(rotation, new Date(nowMs))).toBeLessThan(
      everyDays * 86_400_000,
    );
    expect(read / slotCount).toBeGreaterThanOrEqual(2);
    expect(read / slotCount).toBeLessThan(2 * 1.5);
  },
);

test('run after run every sidecar and record of an archive is read as well, and what they name is looked for', async () => {
  const objects = new MemoryObjects();
  const archive = await openArchive(objects, { createFor: { name: 'source' }, writer: 'run' });
  const keyIn = (folder: string) => [...objects.stored.keys()].sort().findLast((key) => key.startsWith(folder)) ?? '';
  const cutOff = async (key: string) => {
    const bytes = objects.stored.get(key)?.bytes.subarray(0, 100) ?? Buffer.of();
    await objects.delete(key);
    await objects.putOnce(key, bytes, { sizeBytes: bytes.length });
  };
  const ids = Array.from({ length: 12 }, (_, n) => instanceId(n));
  for (const id of ids) {
    const held = Buffer.from(id);
    await archive.store({ id, md5: md5Of(held), sizeBytes: held.length }, held);
  }
  for (const n of [0, 1, 2, 3]) {
    await addSidecar({ objects }, studySidecar(n, ids.slice(3 * n, 3 * n + 3)), '2026-03-01T10:00:00Z');
  }
  const [lost, cut] = [instanceId(4), studyId(2)];
  await objects.delete(keyIn(`instances/${lost}/`));
  await cutOff(keyIn(`studies/${cut}/`));

  for (const n of [7, 8]) await archive.recordRemoval(instanceId(n));
  await cutOff(keyIn(`history/${instanceId(8)}/`));

  const document = documentOf();
  const deadline = new AbortController().signal;
  const beside = { archive, onFinding: () => undefined };
  const problems: ShareProblem[] = [];
  let sound = 0;
  for (let run = 0; run < slotCount; run += 1) {
    const report = await share({ store: archive, beside, document, now, deadline });
    problems.push(...report.problems);
    sound += report.sound;
  }
  expect(sound).toBe(11 - 2 + 3 + 3);
  const damaged = [cut, instanceId(8)].map((id) => `damaged ${id}`);
  expect(problems.map(({ id, kind }) => `${kind} ${id}`).toSorted()).toEqual([...damaged, `lost ${lost}`].toSorted());
});
