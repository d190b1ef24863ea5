/** What a mirror remembers of stores that are left alone for a while; `state/pause.json`. Pure. */
import { z } from 'zod';
import { type InstanceId, isInstanceId } from '../identifiers.ts';
import { recordOf } from '../json.ts';

/** Stands for the source and every destination at once: a pause of the whole mirror. */
export const wholeMirror = '*';

/** Suspicion is remembered for this many instances per store; the oldest are forgotten first. */
const mostSuspects = 1000;
/** Waits between two probes double up to this. */
const longestProbeWaitMs = 3_600_000;

const holdSchema = z.strictObject({
  /** Code of the error that began it; `paused` when somebody asked for it. */
  code: z.string(),
  /** What happened and what to do; holds neither patient data nor a secret. */
  reason: z.string(),
  begunAt: z.iso.datetime(),
  /** Not probed before; moves on with every probe that failed. */
  probeAt: z.iso.datetime(),
  probes: z.int().nonnegative(),
  /**
   * The store may answer questions and refuse instances all the same (it is full), so that only an instance shows when
   * that is over: this one is sent now and then. `null` where an answer is enough.
   */
  trial: z.custom<InstanceId>(isInstanceId).nullable(),
  /** A trial got through, or somebody said `resume`: the next tick ends the hold. */
  passed: z.boolean(),
  /** Messages no longer wait for the store: a complete comparison finds what it missed when the hold ends. */
  compareAfter: z.boolean(),
});
/** One store that is left alone. */
export type Hold = z.output<typeof holdSchema>;

export const pauseStateSchema = z.strictObject({
  version: z.literal(1),
  /** By the name of the store, or {@link wholeMirror}. */
  holds: recordOf(z.string(), holdSchema),
  /** How often an instance was on its way when a store stopped answering, by the name of the store. */
  suspects: recordOf(z.string(), recordOf(z.string(), z.int().positive())),
});
export type PauseState = z.output<typeof pauseStateSchema>;

export const nothingHeld: PauseState = { version: 1, holds: {}, suspects: {} };

/** The hold that keeps a store from being used, if any. */
export function holdOn({ holds }: PauseState, store: string): Hold | undefined {
  return holds[wholeMirror] ?? holds[store];
}

/** Begins a hold where there is none. */
export function withHold(
  state: PauseState,
  store: string,
  { code, message }: { readonly code: string; readonly message: string },
  {
    trial = null,
    now,
    probeAfterMs,
  }: { readonly trial?: Hold['trial']; readonly now: Date; readonly probeAfterMs: number },
): PauseState {
  if (state.holds[store] !== undefined) return state;
  const hold: Hold = {
    code,
    reason: message,
    begunAt: now.toISOString(),
    probeAt: new Date(now.getTime() + probeAfterMs).toISOString(),
    probes: 0,
    trial,
    passed: false,
    compareAfter: false,
  };
  return { ...state, holds: { ...state.holds, [store]: hold } };
}

/** Counts an instance that was on its way when a store stopped answering. */
export function withSuspect(state: PauseState, store: string, id: InstanceId): PauseState {
  const { [id]: times = 0, ...others } = state.suspects[store] ?? {};
  const entries = [...Object.entries(others), [id, times + 1] as const].slice(-mostSuspects);
  return { ...state, suspects: { ...state.suspects, [store]: Object.fromEntries(entries) } };
}

export function timesSuspected({ suspects }: PauseState, store: string, id: InstanceId): number {
  return suspects[store]?.[id] ?? 0;
}

/** Changes a hold where it still is. */
export function withHoldChanged(state: PauseState, store: string, change: Partial<Hold>): PauseState {
  const hold = state.holds[store];
  return hold === undefined ? state : { ...state, holds: { ...state.holds, [store]: { ...hold, ...change } } };
}

export function withoutHolds(state: PauseState, stores: readonly string[]): PauseState {
  const holds = Object.fromEntries(Object.entries(state.holds).filter(([store]) => !stores.includes(store)));
  return { ...state, holds };
}

/** When a hold whose probe failed is probed again: a store that is away at once, a trial ever more rarely. */
export function nextProbe(
  { trial, probes }: Pick<Hold, 'trial' | 'probes'>,
  now: Date,
  probeAfterMs: number,
): Partial<Hold> {
  const waitMs = trial !== null ? Math.min(longestProbeWaitMs, probeAfterMs * 2 ** probes) : probeAfterMs;
  return { probes: probes + 1, probeAt: new Date(now.getTime() + waitMs).toISOString() };
}
