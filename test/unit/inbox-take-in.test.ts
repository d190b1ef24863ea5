/** What becomes of an object of the inbox, at whatever its mirror's stores do. */
import { beforeEach, expect, test, vi } from 'vitest';
import { notificationOf } from '../../core/cloud/inbox/notification.ts';
import type { InboxBucket } from '../../core/cloud/inbox/receive-object.ts';
import { takeInObjects } from '../../core/cloud/inbox/take-in.ts';
import { MirrorError } from '../../core/errors.ts';
import { pauseInMemory } from '../../core/mirror/pause/pause.ts';
import { withPause } from '../../core/mirror/pause/pause-state.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { MemoryStore } from '../support/memory-store.ts';

const image = generateInstance(placeOfNth('arrived', 0), 4096);
const waitMs = 60_000;
const now = () => new Date('2026-11-21T10:00:00Z');
const arrival = { key: 'new/main/a.dcm', versionId: 'v1' };
const limits = { maxReceiveCount: 3, backOff: { firstMs: 1000, lastMs: 60_000 } };

let objects: Map<string, Uint8Array>;
let source: MemoryStore;
let target: MemoryStore;
let archive: MemoryStore;
let pause: ReturnType<typeof pauseInMemory>;
const onHandled = vi.fn();
const onDelayed = vi.fn();

beforeEach(() => {
  objects = new Map([[arrival.key, image.bytes]]);
  [source, target, archive] = [new MemoryStore('source'), new MemoryStore('target'), new MemoryStore('archive')];
  pause = pauseInMemory(now);
  onHandled.mockReset();
  onDelayed.mockReset();
});

const inbox: InboxBucket = {
  sizeOf: async ({ key }) => objects.get(key)?.byteLength,
  async open({ key }) {
    const bytes = objects.get(key) ?? new Uint8Array();
    return {
      body: (async function* () {
        yield bytes;
      })(),
      cancel: () => undefined,
    };
  },
  copy: async ({ key }, to) => void objects.set(to, objects.get(key) ?? new Uint8Array()),
  writeJson: async (key, document) => void objects.set(key, Buffer.from(JSON.stringify(document))),
  remove: async ({ key }) => void objects.delete(key),
};

function take(receiveCount = 1, queue = 'main'): Promise<void> {
  const destinations = [
    { role: 'target', store: target },
    { role: 'archive', store: archive },
  ] as const;
  const mirror = async () => ({ source, destinations, pause });
  const work = takeInObjects({ bucket: 'inbox', inbox, mirror, limits, waitMs, onHandled, onDelayed });
  const delivery = { body: notificationOf('inbox', arrival), receiptHandle: 'r', receiveCount };
  return work(delivery, queue, new AbortController().signal);
}

const failing = (code: 'server-error' | 'unauthorized') => () => {
  throw new MirrorError(code, 'it says no', { store: 'target' });
};

test('what is DICOM goes to every destination, and the object to done/', async () => {
  await take();
  for (const { instances } of [target, archive]) expect([...instances.keys()]).toEqual([image.id]);
  expect([...objects.keys()]).toEqual(['done/main/a.dcm']);
  expect(onHandled).toHaveBeenCalledWith('main', expect.objectContaining({ kind: 'done' }));
});

test('an object of another mirror than that of the queue is touched by nobody', async () => {
  await expect(take(1, 'other')).rejects.toMatchObject({ code: 'malformed-message' });
  expect([...objects.keys()]).toEqual([arrival.key]);
  expect(target.calls.store + archive.calls.store).toBe(0);
});

test('while a store of its mirror is paused, an object waits without losing a try', async () => {
  await pause.change((state) =>
    withPause(state, 'target', { code: 'full', message: 'its disk is full' }, { now: now(), probeAfterMs: 1000 }),
  );
  await expect(take(limits.maxReceiveCount)).rejects.toMatchObject({ code: 'paused', retryAfterMs: waitMs });
  expect([...objects.keys()]).toEqual([arrival.key]);
  expect(onDelayed).toHaveBeenCalledWith('main');
});

test('an object is not to blame for a store that refuses everybody', async () => {
  target.before = failing('unauthorized');
  await expect(take(limits.maxReceiveCount)).rejects.toMatchObject({ disposition: 'halt', retryAfterMs: waitMs });
  expect(objects.has(arrival.key)).toBe(true);
});

test('what fails again and again is refused at the last delivery, with the reason beside it', async () => {
  target.before = (call) => (call === 'store' ? failing('server-error')() : undefined);
  await take(limits.maxReceiveCount);
  expect([...objects.keys()].sort()).toEqual(['refused/main/a.dcm', 'refused/main/a.dcm.reason.json']);
  const reason: unknown = JSON.parse(Buffer.from(objects.get('refused/main/a.dcm.reason.json') ?? []).toString());
  expect(reason).toMatchObject({ code: 'server-error', reason: expect.stringContaining('Given up after 3 tries') });
});
