/** How long to wait before the same thing is tried again. Pure. */

export interface BackOff {
  /** Longest wait before the second try; it doubles with every further try. */
  readonly firstMs: number;
  /** Longest wait of all. */
  readonly lastMs: number;
}

/**
 * Waits of random length ("full jitter"), so that those who failed together do not come back together.
 * @param tries how often it was tried already, at least 1
 * @param random at least 0, less than 1
 */
export function waitBeforeTryMs(tries: number, { firstMs, lastMs }: BackOff, random: number): number {
  return random * Math.min(lastMs, firstMs * 2 ** (tries - 1));
}
