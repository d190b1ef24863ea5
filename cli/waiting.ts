/** Who is being waited for, from what the stores tell. Pure but for the clock that is given. */
import type { Activity } from '../core/stores/activity.ts';
import { formatDuration } from './format.ts';

interface StoreState {
  /** Calls that are not answered. */
  open: number;
  answers: number;
  /** When it answered last, or was asked first since nothing was open. */
  aliveAtMs: number;
  /** Failures since it answered for the last time. */
  failures: { readonly count: number; readonly sinceMs: number; readonly reason: string } | undefined;
}

/** Shorter than this nobody notices. */
const noticedMs = 2000;

export class Waiting {
  readonly #clock: () => number;
  readonly #stores = new Map<string, StoreState>();

  constructor(clock: () => number) {
    this.#clock = clock;
  }

  readonly note = ({ store, kind, error }: Activity): void => {
    const now = this.#clock();
    const state = this.#stores.get(store) ?? { open: 0, answers: 0, aliveAtMs: now, failures: undefined };
    this.#stores.set(store, state);
    if (kind === 'asked') {
      if (state.open === 0) state.aliveAtMs = now;
      state.open += 1;
      return;
    }
    state.open = Math.max(0, state.open - 1);
    // What an instance is refused for says that its store answers.
    const isAnswer = kind === 'answered' || (error !== undefined && error.disposition !== 'retry');
    if (isAnswer) {
      state.aliveAtMs = now;
      state.answers += 1;
      state.failures = undefined;
      return;
    }
    if (error?.code === 'interrupted') return;
    const before = state.failures ?? { count: 0, sinceMs: now, reason: '' };
    state.failures = { ...before, count: before.count + 1, reason: error?.message ?? 'it failed' };
  };

  /** Calls that were answered so far, of all stores. */
  get answers(): number {
    return [...this.#stores.values()].reduce((sum, { answers }) => sum + answers, 0);
  }

  /** A text for each store that is waited for: who, why, how often tried, how long. */
  texts(): readonly string[] {
    const now = this.#clock();
    return [...this.#stores].flatMap(([store, { open, aliveAtMs, failures }]) => {
      if (failures !== undefined) {
        const { count, sinceMs, reason } = failures;
        return [`${reason}: try ${count + 1}, for ${formatDuration(now - sinceMs)}`];
      }
      const silentMs = now - aliveAtMs;
      return open > 0 && silentMs >= noticedMs ? [`waiting for ${store} for ${formatDuration(silentMs)}`] : [];
    });
  }
}
