import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { preferring } from '../../core/streams/preferring.ts';

async function* numbers(count: number): AsyncGenerator<number> {
  for (let n = 0; n < count; n += 1) yield n;
}

const nothing = async function* (): AsyncGenerator<never> {};

/** Yields what is sent, until the signal aborts. */
class Mailbox {
  readonly #items: string[] = [];
  #wake: (() => void) | undefined;
  hasEnded = false;

  send(...items: string[]): void {
    this.#items.push(...items);
    this.#wake?.();
  }

  async *items(signal: AbortSignal): AsyncGenerator<string> {
    signal.addEventListener('abort', () => this.#wake?.());
    try {
      while (!signal.aborted) {
        const item = this.#items.shift();
        if (item !== undefined) yield item;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.hasEnded = true;
    }
  }
}

describe('one stream preferred to another', () => {
  test('loses nothing and keeps the order of each', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(300), fc.nat(300), fc.integer({ min: 1, max: 50 }), async (mails, count, ahead) => {
        const mailbox = new Mailbox();
        const letters = Array.from({ length: mails }, (_, n) => `letter ${n}`);
        const other = async function* (): AsyncGenerator<number> {
          mailbox.send(...letters.slice(0, mails / 2));
          for await (const n of numbers(count)) {
            if (n === Math.floor(count / 2)) mailbox.send(...letters.slice(mails / 2));
            yield n;
          }
          if (count === 0) mailbox.send(...letters.slice(mails / 2));
          // What was sent until now has been read before the end.
          for (let turns = 0; turns < mails + 5; turns += 1) await turn();
        };
        const all = await Array.fromAsync(preferring((signal) => mailbox.items(signal), other, ahead));
        expect(all.filter((one) => typeof one === 'number')).toEqual(Array.from({ length: count }, (_, n) => n));
        expect(all.filter((one) => typeof one === 'string')).toEqual(letters);
        expect(mailbox.hasEnded).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  test('what comes goes ahead of everything that waits', async () => {
    const mailbox = new Mailbox();
    const seen: (string | number)[] = [];
    for await (const one of preferring(
      (signal) => mailbox.items(signal),
      () => numbers(100),
      50,
    )) {
      seen.push(one);
      if (one === 10) {
        mailbox.send('urgent');
        await turn();
      }
    }
    expect(seen.indexOf('urgent')).toBe(seen.indexOf(10) + 1);
    expect(seen).toHaveLength(101);
  });

  test('reads the other stream ahead, but not further than allowed', async () => {
    let produced = 0;
    const counted = async function* (): AsyncGenerator<number> {
      for await (const n of numbers(1000)) {
        produced += 1;
        yield n;
      }
    };
    for await (const n of preferring(nothing, counted, 50)) {
      await turn();
      expect(produced).toBeLessThanOrEqual(n + 52);
      if (n === 100) expect(produced).toBeGreaterThan(140);
      if (n === 300) break;
    }
    expect(produced).toBeLessThan(1000);
  });

  test('throws what the other stream throws after the items before it, what the first throws at once', async () => {
    const failing = async function* (): AsyncGenerator<number> {
      yield* numbers(5);
      throw new Error('the listing broke');
    };
    const seen: number[] = [];
    const read = async (): Promise<void> => {
      for await (const n of preferring(nothing, failing, 50)) seen.push(n);
    };
    await expect(read()).rejects.toThrow('the listing broke');
    expect(seen).toEqual([0, 1, 2, 3, 4]);

    const broken = async function* (): AsyncGenerator<number> {
      await turn();
      if (seen.length > 0) throw new Error('the look failed');
      yield 0;
    };
    const endless = async function* (): AsyncGenerator<number> {
      for (let n = 0; ; n += 1) yield n;
    };
    const readOn = async (): Promise<void> => {
      for await (const _ of preferring(broken, endless, 50)) await turn();
    };
    await expect(readOn()).rejects.toThrow('the look failed');
  });

  test('both are told when nobody wants more of them', async () => {
    const mailbox = new Mailbox();
    let wasTold = false;
    const waiting = async function* (signal: AbortSignal): AsyncGenerator<number> {
      yield 1;
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      wasTold = true;
    };
    for await (const _ of preferring((signal) => mailbox.items(signal), waiting, 5)) break;
    expect([wasTold, mailbox.hasEnded]).toEqual([true, true]);
  });
});
