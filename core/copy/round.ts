/** What the copies of a short time took, sorted by size: a slow minute is told from a large instance. */

/** Sizes within a factor of four share a class; so do all copies that moved no bytes. */
function sizeClassOf(sizeBytes: number): number {
  return sizeBytes > 0 ? 1 + Math.floor(Math.log2(sizeBytes) / 2) : 0;
}

/** Typical latencies by class of size, as logarithms of milliseconds. */
export type Latencies = ReadonlyMap<number, number>;

/**
 * Copies that ran under one limit. Of latencies the geometric mean is taken, class by class: one copy that hung for
 * a minute, or another mix of sizes, does not make a server slow.
 */
export class Round {
  readonly #classes = new Map<number, { copies: number; logSum: number; squareSum: number }>();
  #copies = 0;
  #atOnceSum = 0;

  add({ latencyMs, sizeBytes, atOnce }: { latencyMs: number; sizeBytes: number; atOnce: number }): void {
    const sizeClass = sizeClassOf(sizeBytes);
    const known = this.#classes.get(sizeClass) ?? { copies: 0, logSum: 0, squareSum: 0 };
    known.copies += 1;
    // A clock that stood still must not make a logarithm infinite.
    const log = Math.log(Math.max(latencyMs, 0.01));
    known.logSum += log;
    known.squareSum += log * log;
    this.#classes.set(sizeClass, known);
    this.#copies += 1;
    this.#atOnceSum += atOnce;
  }

  get copies(): number {
    return this.#copies;
  }

  /** How many copies ran at once, on average. */
  get atOnce(): number {
    return this.#atOnceSum / Math.max(1, this.#copies);
  }

  get latencies(): Latencies {
    return new Map([...this.#classes].map(([sizeClass, { copies, logSum }]) => [sizeClass, logSum / copies]));
  }

  /** By how much chance may have falsified the latencies: their standard error, as a share. */
  get noise(): number {
    let spread = 0;
    for (const { copies, logSum, squareSum } of this.#classes.values()) spread += squareSum - logSum ** 2 / copies;
    const free = this.#copies - this.#classes.size;
    return free < 1 ? Number.POSITIVE_INFINITY : Math.sqrt(Math.max(0, spread) / free / this.#copies);
  }

  /** How many times longer than `base` the copies took, like compared with like; 1 where nothing can be compared. */
  stretch(base: Latencies): number {
    let copies = 0;
    let logSum = 0;
    for (const [sizeClass, known] of this.#classes) {
      const expected = base.get(sizeClass);
      if (expected === undefined) continue;
      copies += known.copies;
      logSum += known.logSum - known.copies * expected;
    }
    return Math.exp(logSum / Math.max(1, copies));
  }
}
