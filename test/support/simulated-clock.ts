/** Clocks that tests move. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../core/clock.ts';

/** A clock whose time somebody else moves, and on which no wait ever ends but by its signal. */
export function standingClock(nowMs: () => number): Clock {
  return { nowMs, wait: (_, signal) => untilAborted(signal) };
}

function untilAborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) resolve();
    signal?.addEventListener('abort', () => resolve(), { once: true });
  });
}

interface Timer {
  readonly atMs: number;
  readonly ring: () => void;
}

/** Turns of the event loop after which stores in memory have nothing left to do. */
const turns = 30;

/** A clock that passes only when it is told to, and rings every timer on the way at its time. */
export class SimulatedClock implements Clock {
  #nowMs: number;
  /** The next one last. Few wait at a time. */
  #timers: Timer[] = [];

  constructor(start = '2026-11-21T00:00:00Z') {
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

  /** Lets so much time pass; whatever happens on the way has happened when this resolves. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      for (let count = 0; count < turns; count += 1) await turn();
      const next = this.#timers.at(-1);
      if (next === undefined || next.atMs > endMs) break;
      this.#ring(next);
    }
    this.#nowMs = endMs;
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
      this.#ring(next);
    }
  }

  /** Goes on to a time at which nobody is at work. */
  jump(toMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, toMs);
  }

  #ring({ atMs, ring }: Timer): void {
    this.jump(atMs);
    ring();
  }
}
