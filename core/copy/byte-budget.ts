/** Bounds the bytes that all copies of a process hold at once: how memory stays independent of sizes and numbers. */

import { BufferPool } from './buffer-pool.ts';

interface Waiting {
  readonly bytes: number;
  readonly grant: () => void;
}

/**
 * A first-come-first-served allowance. A request larger than the whole is granted as if it were the whole, so that
 * the largest instance runs alone instead of never.
 */
export class ByteBudget {
  readonly totalBytes: number;
  /** For whole instances within the allowance. */
  readonly buffers = new BufferPool();
  #freeBytes: number;
  #waiting: Waiting[] = [];

  constructor(totalBytes: number) {
    this.totalBytes = totalBytes;
    this.#freeBytes = totalBytes;
  }

  /**
   * Waits for `bytes`. The returned function gives them back, but for those that are still wanted (none, unless it is
   * told otherwise); what was given back is gone. Throws the signal's reason when it aborts.
   */
  async acquire(bytes: number, signal?: AbortSignal): Promise<(keptBytes?: number) => void> {
    const amount = Math.min(bytes, this.totalBytes);
    signal?.throwIfAborted();
    if (this.#waiting.length === 0 && amount <= this.#freeBytes) {
      this.#freeBytes -= amount;
    } else {
      await this.#wait(amount, signal);
    }
    let heldBytes = amount;
    return (keptBytes = 0) => {
      if (keptBytes >= heldBytes) return;
      this.#freeBytes += heldBytes - keptBytes;
      heldBytes = keptBytes;
      this.#grantNext();
    };
  }

  async #wait(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { bytes, grant: resolve };
    const giveUp = (): void => {
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
      reject(signal?.reason);
      this.#grantNext();
    };
    this.#waiting.push(waiting);
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      await promise;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
  }

  #grantNext(): void {
    for (let next = this.#waiting[0]; next !== undefined && next.bytes <= this.#freeBytes; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#freeBytes -= next.bytes;
      next.grant();
    }
  }
}
