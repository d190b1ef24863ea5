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
  readonly #timers = new Set<Timer>();

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
        this.#timers.delete(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      this.#timers.add(timer);
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  /** Lets so much time pass; whatever happens on the way has happened when this resolves. */
  async pass(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await settle();
      const next = [...this.#timers].reduce<Timer | undefined>(
        (first, timer) => (first === undefined || timer.atMs < first.atMs ? timer : first),
        undefined,
      );
      if (next === undefined || next.atMs > endMs) break;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.ring();
    }
    this.#nowMs = endMs;
  }
}

/** Lets everything happen that needs no time. */
async function settle(): Promise<void> {
  for (let count = 0; count < turns; count += 1) await turn();
}
