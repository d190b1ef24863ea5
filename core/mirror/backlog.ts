/**
 * Back-pressure: what is announced has room on the queue. What a comparison did not announce yet is behind its cursor, where
 * nothing expires, nothing is doubled, and nothing is in the way of what is new.
 */
import type { Progress } from './progress.ts';

/** What is announced has a lane of its own by its age. `new` comes from the end of the feed. */
export type Age = 'new' | 'old';

export interface BacklogOptions {
  /** Most messages of each age that may wait or be worked on. */
  readonly most: number;
  /** How many do, about. Throws what the queue throws. */
  readonly left: (age: Age) => Promise<number>;
}

export class Backlog {
  readonly #options: BacklogOptions;
  /** As the queue told last, with what was sent since. */
  readonly #left = { new: Number.POSITIVE_INFINITY, old: Number.POSITIVE_INFINITY };

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  /**
   * Whether to go on with a comparison, or to begin one. What the one before found must be done before the next begins: it
   * would find the same again. One that is under way goes on when half of the queue is free, so that each slice is worth it.
   */
  async letsCompare(progress: Progress | undefined): Promise<boolean> {
    const { most, left } = this.#options;
    this.#left.old = await left('old');
    const isNext = progress !== undefined && progress.comparison === null;
    return this.#left.old <= (isNext ? 0 : most / 2);
  }

  /** Whether there is room for so many messages. Asks the queue only when it could be full. */
  async takes(count: number, age: Age): Promise<boolean> {
    const { most, left } = this.#options;
    if (this.#left[age] + count > most) this.#left[age] = await left(age);
    return this.#left[age] + count <= most;
  }

  /** To be told of what was sent. */
  sent(count: number, age: Age): void {
    this.#left[age] += count;
  }
}
