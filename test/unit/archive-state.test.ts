import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { isMirrorError } from '../../core/errors.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { Lease } from '../../core/stores/archive/lease.ts';
import { StateDocument } from '../../core/stores/archive/state.ts';

const counterSchema = z.object({ count: z.int() });

let folder: string;
let objects: FolderObjects;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'state-'));
  objects = new FolderObjects(folder);
});
afterEach(async () => {
  await objects.close();
  await rm(folder, { recursive: true });
});

describe('a document of state', () => {
  const open = () => new StateDocument(objects, 'main/counter', counterSchema);

  it('is absent until it is written, and then reads back', async () => {
    expect(await open().read()).toBeUndefined();
    const version = await open().write({ count: 1 }, null);
    expect(await open().read()).toEqual({ value: { count: 1 }, version });
    const next = await open().write({ count: 2 }, version);
    expect(await open().read()).toEqual({ value: { count: 2 }, version: next });
  });

  it('refuses a write that does not follow the last one', async () => {
    const version = await open().write({ count: 1 }, null);
    await open().write({ count: 2 }, version);
    for (const stale of [null, version, 'unknown']) {
      await expect(open().write({ count: 3 }, stale)).rejects.toMatchObject({ code: 'changed-meanwhile' });
    }
    expect((await open().read())?.value).toEqual({ count: 2 });
  });

  it('loses no increment of many simultaneous writers', async () => {
    const increment = async (): Promise<void> => {
      const document = open();
      const present = await document.read();
      try {
        await document.write({ count: (present?.value.count ?? 0) + 1 }, present?.version ?? null);
      } catch (error) {
        return isMirrorError(error, 'changed-meanwhile') ? increment() : Promise.reject(error);
      }
    };
    await Promise.all(Array.from({ length: 20 }, increment));
    expect((await open().read())?.value).toEqual({ count: 20 });
  });

  it('never gets an earlier version again in a folder, even if the clock went back', async () => {
    const key = 'state/main/counter.json';
    await open().write({ count: 1 }, null);
    const future = new Date(Date.now() + 3_600_000);
    await utimes(join(folder, key), future, future);
    for (const count of [2, 3]) {
      const before = await objects.head(key);
      await open().write({ count }, before?.etag ?? null);
      const after = await objects.head(key);
      expect(after?.lastModified.getTime()).toBeGreaterThan(before?.lastModified.getTime() ?? Number.NaN);
    }
  });

  it.each(['', '{', '{"count":"1"}', '[]'])('says so when it is damaged: %j', async (text) => {
    await objects.replaceIf('state/main/counter.json', Buffer.from(text), null);
    await expect(open().read()).rejects.toMatchObject({
      code: 'archive-format',
      message: expect.stringContaining('state/main/counter.json'),
    });
  });
});

describe('a lease', () => {
  let nowMs: number;
  const lease = () => new Lease(objects, 'lease', () => nowMs);
  beforeEach(() => {
    nowMs = 1_000_000;
  });

  it('is held by one at a time', async () => {
    const held = await lease().acquire(60_000, 'a');
    expect(held).toMatchObject({ fencing: 1, expiresAtMs: 1_060_000 });
    expect(await lease().acquire(60_000, 'b')).toBeUndefined();
    expect(await lease().acquire(60_000, 'a')).toBeUndefined();
  });

  it('goes to exactly one of many who take it at once', async () => {
    const takers = Array.from({ length: 20 }, (_, index) => lease().acquire(60_000, `taker ${index}`));
    expect((await Promise.all(takers)).filter((held) => held !== undefined)).toHaveLength(1);
  });

  it('can be taken over once it expired, and its holder notices', async () => {
    const first = await lease().acquire(60_000, 'a');
    nowMs += 60_000;
    const second = await lease().acquire(60_000, 'b');
    expect(second?.fencing).toBe(2);
    await expect(first?.renew(60_000)).rejects.toMatchObject({ code: 'lease-lost', disposition: 'halt' });
    await first?.release();
    expect(await lease().acquire(60_000, 'c')).toBeUndefined();
  });

  it('lasts longer when renewed', async () => {
    const held = await lease().acquire(60_000, 'a');
    nowMs += 50_000;
    await held?.renew(60_000);
    nowMs += 50_000;
    expect(await lease().acquire(60_000, 'b')).toBeUndefined();
    expect(held).toMatchObject({ fencing: 1, expiresAtMs: 1_110_000 });
  });

  it('is free at once when released, with a greater fencing number for the next', async () => {
    const held = await lease().acquire(60_000, 'a');
    await held?.release();
    expect((await lease().acquire(60_000, 'b'))?.fencing).toBe(2);
  });
});
