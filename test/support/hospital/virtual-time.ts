/** Time that passes only while everybody waits: what is simulated takes as long as it would, at once. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../../core/clock.ts';

interface Timer {
  readonly atMs: number;
  readonly ring: () => void;
}

export class VirtualTime implements Clock {
  #nowMs: number;
  /** The next one last. Few wait at a time. */
  #timers: Timer[] = [];

  constructor(start: string) {
    this.#nowMs = Date.parse(start);
  }

  nowMs(): number {
    return this.#nowMs;
  }

  wait(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const timer: Timer = { atMs: this.#nowMs + ms, ring: () => done() };
      const done = (): void => {
        this.#timers = this.#timers.filter((other) => other !== timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const behind = this.#timers.findIndex(({ atMs }) => atMs <= timer.atMs);
      this.#timers = this.#timers.toSpliced(behind < 0 ? this.#timers.length : behind, 0, timer);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  /** Lets time pass until the work has ended, which waits for nothing but this clock. */
  async during<Result>(work: Promise<Result>): Promise<Result> {
    let hasEnded = false;
    const end = (): void => {
      hasEnded = true;
    };
    work.then(end, end);
    for (;;) {
      await turn();
      if (hasEnded) return work;
      const next = this.#timers.at(-1);
      if (next === undefined) throw new Error('the work waits for something that is not simulated');
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.ring();
    }
  }

  /** Goes on to a time at which nobody is at work. */
  jump(toMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, toMs);
  }
}
