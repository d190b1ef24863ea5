import { describe, expect, it } from 'vitest';
import { inParallel, mapInOrder } from '../../core/streams/in-parallel.ts';

/** Takes a number of turns of the event loop, however long these are. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await Promise.resolve();
}

describe('a stream that is worked on in parallel', () => {
  it('keeps its order, with at most so many under way', async () => {
    let running = 0;
    let most = 0;
    const results = mapInOrder([50, 10, 300, 20, 40], 3, async (item) => {
      running += 1;
      most = Math.max(most, running);
      await turns(item);
      running -= 1;
      return item;
    });
    expect(await Array.fromAsync(results)).toEqual([50, 10, 300, 20, 40]);
    expect(most).toBe(3);
  });

  it('throws at the place of the item, when all that was begun has ended and the items are closed', async () => {
    const events: string[] = [];
    async function* items() {
      try {
        yield* [0, 1, 2, 3, 4, 5];
      } finally {
        events.push('closed');
      }
    }
    const results = mapInOrder(items(), 3, async (item) => {
      if (item === 1) throw new Error('of the second');
      await turns(item === 2 ? 40 : 1);
      events.push(`worked on ${item}`);
      return item;
    });
    const seen: number[] = [];
    const reading = async () => {
      for await (const result of results) seen.push(result);
    };
    await expect(reading()).rejects.toThrow('of the second');
    expect(seen).toEqual([0]);
    expect(events).toContain('closed');
    expect(events).toContain('worked on 2');
  });

  it('closes the items when its reader leaves', async () => {
    let isClosed = false;
    async function* endless() {
      try {
        for (let item = 0; ; item += 1) yield item;
      } finally {
        isClosed = true;
      }
    }
    for await (const result of mapInOrder(endless(), 2, async (item) => item)) if (result === 3) break;
    expect(isClosed).toBe(true);
  });
});

it('runs at most so many at a time and keeps the order', async () => {
  let running = 0;
  let most = 0;
  const results = await inParallel([5, 1, 3, 2, 4], 2, async (item) => {
    running += 1;
    most = Math.max(most, running);
    await turns(item);
    running -= 1;
    return item * 10;
  });
  expect(results).toEqual([50, 10, 30, 20, 40]);
  expect(most).toBe(2);
});

it('starts nothing after an error, and throws it when what was begun has ended', async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const attempt = inParallel([0, 1, 2, 3], 2, async (item) => {
    begun.push(item);
    if (item === 0) throw new Error('first');
    await turns(10);
    ended.push(item);
  });
  await expect(attempt).rejects.toThrow('first');
  expect(begun).toEqual([0, 1]);
  expect(ended).toEqual([1]);
});
