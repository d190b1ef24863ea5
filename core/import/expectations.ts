import type { CopyResult, Destination } from '../copy/outcome.ts';

/** After so many instances in a row that a destination lacked, the next one is not asked for first. */
const rowOfLacking = 32;
/** A larger instance is never sent without asking. */
const largestUnaskedBytes = 1024 * 1024;

/**
 * Learns whether destinations hold what is imported. Asking first costs a request; not asking costs the upload of what
 * is there already. Either is right: a destination says itself what became of what it was sent.
 */
export class Expectations {
  readonly #lackingInARow = new Map<Destination, number>();

  /** @returns whether to ask `destination` before an instance is sent */
  isWorthAsking(destination: Destination, sizeBytes: number): boolean {
    return sizeBytes > largestUnaskedBytes || (this.#lackingInARow.get(destination) ?? 0) < rowOfLacking;
  }

  /** Learns from an instance that is done. */
  learn({ outcomes }: CopyResult): void {
    for (const { destination, kind } of outcomes) {
      this.#lackingInARow.set(destination, kind === 'copied' ? (this.#lackingInARow.get(destination) ?? 0) + 1 : 0);
    }
  }
}
