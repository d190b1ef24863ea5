/**
 * How many copies run at once: starts low, grows while throughput grows, backs off when the destination says that it
 * is too much. Pure: it is told what happened and answers with a number; it neither waits nor measures time itself.
 */

export interface ConcurrencyLimits {
  /** Never more than this many at once. */
  readonly ceiling: number;
  /** Where it starts; default 4, the lower end of what Orthanc servers were measured to gain from. */
  readonly start?: number;
}

/** Throughput must grow by this much for another step up to count as a gain. */
const worthwhileGain = 1.03;
/** Latency above this multiple of the best seen, without a gain in throughput, is a queue building up. */
const latencyTolerance = 2;
/** After this many windows without a change the next level is tried again: servers become idle, too. */
const windowsBeforeProbe = 8;

interface Window {
  /** `undefined` until the first success after a push-back. */
  startedAtMs: number | undefined;
  completed: number;
  latencySumMs: number;
}

export class AdaptiveConcurrency {
  readonly #ceiling: number;
  #limit: number;
  #window: Window | undefined;
  /** The highest limit that paid, with its throughput. */
  #good = { limit: 1, ratePerMs: 0 };
  #bestLatencyMs = Number.POSITIVE_INFINITY;
  #steadyWindows = 0;
  /** Whether the present limit is a step up that must still prove itself. */
  #trying = true;

  constructor({ ceiling, start = 4 }: ConcurrencyLimits) {
    this.#ceiling = Math.max(1, Math.floor(ceiling));
    this.#limit = Math.min(Math.max(1, start), this.#ceiling);
  }

  /** How many copies may run now. */
  get limit(): number {
    return this.#limit;
  }

  /** A copy succeeded; `nowMs` is any monotonic clock. */
  succeeded(latencyMs: number, nowMs: number): void {
    this.#window ??= emptyWindow();
    this.#window.startedAtMs ??= nowMs - latencyMs;
    this.#window.completed += 1;
    this.#window.latencySumMs += latencyMs;
    if (this.#window.completed >= Math.max(16, this.#limit * 4)) this.#closeWindow(this.#window, nowMs);
  }

  /** The destination was too busy (409, 429, 503) or too slow (timeout, lost connection): halve, then grow again. */
  pushedBack(): void {
    // Copies that were in flight together fail together; only the first of a window counts.
    if (this.#window?.completed === 0) return;
    this.#limit = Math.max(1, Math.floor(this.#limit / 2));
    this.#good = { limit: this.#limit, ratePerMs: 0 };
    this.#trying = true;
    this.#steadyWindows = 0;
    this.#window = emptyWindow();
  }

  #closeWindow(window: Window, nowMs: number): void {
    const ratePerMs = window.completed / Math.max(1, nowMs - (window.startedAtMs ?? nowMs));
    const latencyMs = window.latencySumMs / window.completed;
    this.#bestLatencyMs = Math.min(this.#bestLatencyMs, latencyMs);
    if (this.#trying) this.#judge(ratePerMs);
    else this.#hold(ratePerMs, latencyMs);
    this.#window = { ...emptyWindow(), startedAtMs: nowMs };
  }

  /** A step up paid: take another one. It did not: go back. */
  #judge(ratePerMs: number): void {
    this.#steadyWindows = 0;
    if (ratePerMs < this.#good.ratePerMs * worthwhileGain) {
      this.#limit = this.#good.limit;
      this.#trying = false;
      return;
    }
    this.#good = { limit: this.#limit, ratePerMs };
    this.#stepUp();
  }

  /** At a limit that paid: give way to a growing queue, and try a step up now and then. */
  #hold(ratePerMs: number, latencyMs: number): void {
    const queueing = latencyMs > this.#bestLatencyMs * latencyTolerance;
    if (queueing && ratePerMs * worthwhileGain < this.#good.ratePerMs) this.#limit = Math.max(1, this.#limit - 1);
    this.#good = { limit: this.#limit, ratePerMs };
    this.#steadyWindows += 1;
    if (this.#steadyWindows >= windowsBeforeProbe) this.#stepUp();
  }

  #stepUp(): void {
    this.#trying = this.#limit < this.#ceiling;
    this.#steadyWindows = 0;
    this.#limit = Math.min(this.#ceiling, this.#limit + Math.max(1, Math.floor(this.#limit / 2)));
  }
}

function emptyWindow(): Window {
  return { startedAtMs: undefined, completed: 0, latencySumMs: 0 };
}
