/** Random choices that a seed repeats. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number from 0 to `below - 1` (mulberry32). */
  below(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  }

  /** One of some. */
  of<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error('there is nothing to choose from');
    return item;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }
}

/** The seed of a test: `TEST_SEED`, or one of its own; printed, so that it can be given again. */
export function seedOf(test: string): number {
  const seed = Number(process.env.TEST_SEED ?? Date.now() % 2 ** 31);
  console.info(`${test}: TEST_SEED=${seed}`);
  return seed;
}
