/** Time as those who wait need it; tests give one of their own. */
import { setTimeout as delay } from 'node:timers/promises';

export interface Clock {
  /** Milliseconds since 1970. */
  nowMs(): number;
  /** Resolves after `ms`, at the latest after an hour, or as soon as the signal aborts. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Node fires timers of more than 2^31 ms at once. */
const longestTimerMs = 3_600_000;

function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return delay(Math.max(0, Math.min(ms, longestTimerMs)), undefined, { signal }).catch(() => undefined);
}

/** For a process that runs on: setting the machine's clock does not change how long its pauses are. */
export const evenClock: Clock = { nowMs: () => performance.timeOrigin + performance.now(), wait };

/** For one whose times are read by others, and which may be frozen between two calls; may jump. */
export const wallClock: Clock = { nowMs: () => Date.now(), wait };
