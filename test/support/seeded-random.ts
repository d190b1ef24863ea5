/** Random choices of tests that can be made again: each test prints its seed, and takes it from the environment. */

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

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.between(0, items.length - 1)];
    if (item === undefined) throw new RangeError('there is nothing to pick');
    return item;
  }
}

/**
 * The seeds of a test: those from `first` on, where the environment variable says `first`, or one only, where it says
 * nothing else than a seed and `count` is not wanted.
 * @param variable such as `HISTORY_SEED`
 */
export function seedsOf(variable: string, count: number): readonly number[] {
  const given = process.env[variable];
  if (given !== undefined && given !== '') return [Number(given)];
  const first = Math.floor(Math.random() * 2 ** 31);
  return Array.from({ length: count }, (_, index) => first + index);
}
