/**
 * The random choices of all tests. A run has one seed, `TEST_SEED`, which is printed when it begins and can be given
 * again; each test makes its own choices from it, whatever runs beside it or not at all.
 */
import { createHash } from 'node:crypto';

/** Numbers that a seed decides (mulberry32). */
export class SeededRandom {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  /** From 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  /** A whole number from 0 to `below - 1`. */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.between(0, items.length - 1)];
    if (item === undefined) throw new RangeError('there is nothing to pick');
    return item;
  }

  shuffled<Item>(items: readonly Item[]): Item[] {
    return items
      .map((item) => ({ item, order: this.next() }))
      .toSorted((a, b) => a.order - b.order)
      .map(({ item }) => item);
  }
}

/** The seed of this run. */
export function testSeed(): number {
  const seed = Number(process.env.TEST_SEED);
  if (!Number.isInteger(seed)) throw new RangeError('TEST_SEED is not a whole number; vitest.config.ts sets it');
  return seed;
}

/** `count` seeds; the first is the one of the run, so that giving it again begins with what failed. */
export function testSeeds(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => testSeed() + index);
}

/**
 * The choices of a test.
 * @param name of what is chosen: two names choose differently in the same run
 */
export function randomOf(name: string): SeededRandom {
  return new SeededRandom(createHash('sha256').update(`${testSeed()} ${name}`).digest().readUInt32LE());
}
