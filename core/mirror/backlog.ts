/**
 * Back-pressure: a comparison announces only while the queue is short. What it did not announce yet is behind its cursor,
 * where nothing expires, nothing is doubled, and nothing is in the way of what is new.
 */
import type { Progress } from './progress.ts';

export interface BacklogOptions {
  /** Most messages that may wait or be worked on. */
  readonly most: number;
  /** How many do, about. Throws what the queue throws. */
  readonly left: () => Promise<number>;
}

export class Backlog {
  readonly #options: BacklogOptions;
  /** As the queue told last, with what was sent since. */
  #left = Number.POSITIVE_INFINITY;

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  /**
   * Whether to go on with a comparison, or to begin one. What the one before found must be done before the next begins: it
   * would find the same again. One that is under way goes on when half of the queue is free, so that each slice is worth it.
   */
  async letsCompare(progress: Progress | undefined): Promise<boolean> {
    const { most, left } = this.#options;
    this.#left = await left();
    const isNext = progress !== undefined && progress.comparison === null;
    return this.#left <= (isNext ? 0 : most / 2);
  }

  /** Whether there is room for so many messages. Asks the queue only when it could be full. */
  async takes(count: number): Promise<boolean> {
    const { most, left } = this.#options;
    if (this.#left + count > most) this.#left = await left();
    return this.#left + count <= most;
  }

  /** To be told of what was sent. */
  sent(count: number): void {
    this.#left += count;
  }
}
