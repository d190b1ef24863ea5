import { mkdtemp, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { isMirrorError, MirrorError } from '../../core/errors.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { Lease, type LeaseUse, underLease } from '../../core/stores/archive/lease.ts';
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

describe('work under a lease', () => {
  const lease = () => new Lease(objects, 'lease');
  const terms = { ttlMs: 60, owner: 'a' };
  /** Ends when the signal aborts; the lease must then be known to be lost. */
  const untilLost = ({ signal }: LeaseUse) =>
    new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason));
    });
  /** Takes the lease away from whoever holds it. */
  const takeOver = () => lease().acquire(60_000, 'b', { isGone: () => true });

  it('returns what the work returns, and is free for the next', async () => {
    expect(await underLease(lease(), terms, async () => 1)).toBe(1);
    expect(await underLease(lease(), terms, async () => 2)).toBe(2);
    await expect(underLease(lease(), terms, () => Promise.reject(new TypeError('broken')))).rejects.toThrow('broken');
    expect(await underLease(lease(), terms, async () => 3)).toBe(3);
  });

  it('is not done while another holds the lease', async () => {
    await takeOver();
    expect(await underLease(lease(), terms, () => Promise.reject(new TypeError('done')))).toBeUndefined();
  });

  it('is renewed for as long as it goes on', async () => {
    const expiries: number[] = [];
    await underLease(lease(), terms, async () => {
      const document = new StateDocument(objects, 'lease', z.object({ expiresAtMs: z.number() }));
      while (new Set(expiries).size < 4) expiries.push((await document.read())?.value.expiresAtMs ?? 0);
    });
    expect(new Set(expiries).size).toBe(4);
  });

  it('is told at once that another took the lease over', async () => {
    const work = underLease(lease(), terms, async (use) => {
      await takeOver();
      return untilLost(use);
    });
    await expect(work).rejects.toMatchObject({ code: 'lease-lost', disposition: 'halt' });
    // It is not taken back from the other.
    expect(await lease().acquire(60_000, 'c')).toBeUndefined();
  });

  it('counts for nothing if another took the lease over, even if it comes to its end', async () => {
    const work = underLease(lease(), terms, async (use) => {
      await takeOver();
      await untilLost(use).catch(() => undefined);
      return 'done';
    });
    await expect(work).rejects.toMatchObject({ code: 'lease-lost' });
  });

  it('finds out by asking, before it does what cannot be undone', async () => {
    const slow = { ...terms, ttlMs: 600_000 };
    const work = underLease(lease(), slow, async ({ confirm }) => {
      await confirm();
      await takeOver();
      await confirm();
    });
    await expect(work).rejects.toMatchObject({ code: 'lease-lost' });
  });

  it('ends when the lease cannot be renewed in time, and not before', async () => {
    const replaceIf = objects.replaceIf.bind(objects);
    let refused = 0;
    const work = underLease(lease(), terms, (use) => {
      objects.replaceIf = async () => {
        refused += 1;
        throw new MirrorError('unreachable', 'the archive is away');
      };
      return untilLost(use);
    });
    await expect(work).rejects.toMatchObject({ code: 'lease-lost' });
    expect(refused).toBeGreaterThan(1);
    objects.replaceIf = replaceIf;
  });

  it("ends when the caller's own signal does", async () => {
    const stop = new AbortController();
    const work = underLease(lease(), { ...terms, signal: stop.signal }, (use) => {
      stop.abort(new MirrorError('interrupted', 'stopped'));
      return use.signal.aborted ? Promise.reject(use.signal.reason) : untilLost(use);
    });
    await expect(work).rejects.toMatchObject({ code: 'interrupted' });
  });
});
