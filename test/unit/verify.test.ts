import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cutShare,
  finishShare,
  newRotation,
  nextShare,
  oldestUnverifiedMs,
  rotationSchema,
  slotCount,
} from '../../core/archive-life/verify/rotation.ts';
import { idBefore, isInSubset, parseSubset, positionOf } from '../../core/archive-life/verify/subset.ts';
import { verifyStore } from '../../core/archive-life/verify/verify.ts';
import { MirrorError } from '../../core/errors.ts';
import { MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';

function filled(count: number): MemoryStore {
  const store = new MemoryStore('store');
  for (let n = 0; n < count; n += 1) store.instances.set(sampleId(n), sampleBytes(n, 1000));
  return store;
}

describe('verifying a store', () => {
  test('finds every damaged instance and no other, and never stops at one', async () => {
    const store = filled(200);
    const damaged = new Set([3, 50, 199].map(sampleId));
    store.transport = (id, bytes) =>
      damaged.has(id) ? Uint8Array.from(bytes, (byte, at) => (at === 7 ? byte ^ 4 : byte)) : bytes;
    const results = await Array.fromAsync(verifyStore(store));
    expect(results).toHaveLength(200);
    expect(new Set(results.filter(({ kind }) => kind === 'damaged').map(({ id }) => id))).toEqual(damaged);
  });

  test('tells unreadable from unreachable', async () => {
    const store = filled(3);
    store.before = (call, id) => {
      if (call !== 'open') return;
      if (id === sampleId(0)) throw new MirrorError('source-corrupt', 'no file');
      if (id === sampleId(1)) throw new MirrorError('unreachable', 'no answer');
    };
    const kinds = new Map((await Array.fromAsync(verifyStore(store))).map(({ id, kind }) => [id, kind]));
    expect([0, 1, 2].map((n) => kinds.get(sampleId(n)))).toEqual(['damaged', 'unverified', 'sound']);
  });

  test('proves nothing where the store keeps no hashes, and says so', async () => {
    const store = filled(1);
    store.keepsHashes = false;
    expect((await Array.fromAsync(verifyStore(store)))[0]).toMatchObject({ kind: 'unverified' });
  });

  test('covers everything exactly once in all parts of a subset', async () => {
    const store = filled(300);
    const ids: string[] = [];
    for (let n = 1; n <= 7; n += 1) {
      for await (const { id } of verifyStore(store, { subset: { kind: 'part', n, t: 7 } })) ids.push(id);
    }
    expect(ids).toEqual([...store.instances.keys()].sort());
  });

  test('reads about the percentage asked for', async () => {
    const store = filled(2000);
    const read = await Array.fromAsync(verifyStore(store, { subset: { kind: 'percent', percent: 10, seed: 42 } }));
    expect(read.length).toBeGreaterThan(120);
    expect(read.length).toBeLessThan(280);
  });
});

describe('a subset', () => {
  test('starts exactly where its first id lies', () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.integer({ min: 1, max: 700 }), (sample, t) => {
        const id = sampleId(sample);
        const n = Math.floor(positionOf(id) * t) + 1;
        const before = idBefore((n - 1) / t);
        expect(isInSubset(id, { kind: 'part', n, t })).toBe(true);
        expect(before === undefined || before < id).toBe(true);
      }),
    );
  });

  test.each(['0/3', '4/3', '0%', '101%', '3', '', '-1/3', '1/0'])('refuses "%s"', (text) => {
    expect(() => parseSubset(text, 0)).toThrow(MirrorError);
  });
});

describe('the rotation', () => {
  test('reads every slot once before it reads one again', () => {
    let rotation = newRotation(new Date('2026-11-01T00:00:00Z'));
    const slots: number[] = [];
    for (let hour = 0; hour < slotCount; hour += 1) {
      const share = nextShare(rotation, new Date(Date.UTC(2026, 10, 1, hour)));
      slots.push(share.slot);
      rotation = finishShare(rotation, share);
    }
    expect(new Set(slots).size).toBe(slotCount);
    expect(rotationSchema.safeParse(rotation).success).toBe(true);
  });

  test('is through within 30 days at one slot an hour, and its age says so', () => {
    let rotation = newRotation(new Date('2026-11-01T00:00:00Z'));
    let oldestMs = 0;
    for (let hour = 0; hour < 3 * slotCount; hour += 1) {
      const now = new Date(Date.UTC(2026, 10, 1, hour));
      rotation = finishShare(rotation, nextShare(rotation, now));
      oldestMs = Math.max(oldestMs, oldestUnverifiedMs(rotation, now));
    }
    expect(oldestMs).toBeLessThanOrEqual(30 * 24 * 60 * 60 * 1000);
    expect(oldestMs).toBeGreaterThan(24 * 24 * 60 * 60 * 1000);
  });

  test('continues a slot that a deadline cut', () => {
    const now = new Date('2026-11-01T00:00:00Z');
    const share = nextShare(newRotation(now), now);
    const cut = cutShare(newRotation(now), share, sampleId(1));
    expect(nextShare(cut, new Date('2026-11-02T00:00:00Z'))).toEqual({ ...share, after: sampleId(1) });
  });
});
