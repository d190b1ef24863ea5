/** What a mirror remembers of stores that are paused for a while; `state/pause.json`. Pure. */
import * as z from 'zod';
import { advices, type MirrorError } from '../../errors.ts';
import { type InstanceId, isInstanceId } from '../../identifiers.ts';
import { recordOf } from '../../json.ts';

/** Stands for the source and every destination at once: a pause of the whole mirror. */
export const wholeMirror = '*';

/** Suspicion is remembered for this many instances per store; the oldest are forgotten first. */
const mostSuspects = 1000;
/**
 * Pauses between two probes double up to this: a question a minute costs a server nothing, and whoever repaired it sees it
 * come back while still looking.
 */
const longestProbePauseMs = 60_000;
/** A store that fails in the same way again so soon was never back: the pauses go on growing. */
const relapseMs = 60_000;

const storePauseSchema = z.strictObject({
  /** Code of the error that began it; `paused` when somebody asked for it. */
  code: z.string(),
  /** What happened and what to do; holds neither patient data nor a secret. */
  reason: z.string(),
  /** What goes with the reason for whoever tells it; see `MirrorError.advice`. One of a newer program counts as none. */
  advice: z.enum(advices).optional().catch(undefined),
  begunAt: z.iso.datetime(),
  /** Not probed before; moves on with every probe that failed. */
  probeAt: z.iso.datetime(),
  probes: z.int().nonnegative(),
  /**
   * The store may answer questions and refuse instances all the same (it is full), so that only an instance shows when
   * that is over: this one is sent now and then. `null` where an answer is enough.
   */
  trial: z.custom<InstanceId>(isInstanceId).nullable(),
  /** A trial got through, or somebody said `resume`: the next tick ends the pause. */
  passed: z.boolean(),
  /** Messages no longer wait for the store: a complete comparison finds what it missed when the pause ends. */
  compareAfter: z.boolean(),
});
/** One store that is paused. */
export type StorePause = z.output<typeof storePauseSchema>;

export const pauseStateSchema = z.strictObject({
  version: z.literal(1),
  /** By the name of the store, or {@link wholeMirror}. */
  pauses: recordOf(z.string(), storePauseSchema),
  /** How often an instance was on its way when a store stopped answering, by the name of the store. */
  suspects: recordOf(z.string(), recordOf(z.string(), z.int().positive())),
  /** When the last pause on a store ended, why it was paused and how often it had been probed; by the name of the store. */
  ended: recordOf(
    z.string(),
    z.strictObject({ at: z.iso.datetime(), code: z.string(), probes: z.int().nonnegative() }),
  ),
});
export type PauseState = z.output<typeof pauseStateSchema>;

export const nothingPaused: PauseState = { version: 1, pauses: {}, suspects: {}, ended: {} };

/** The pause that keeps a store from being used, if any. */
export function pauseOn({ pauses }: PauseState, store: string): StorePause | undefined {
  return pauses[wholeMirror] ?? pauses[store];
}

export interface HoldOptions extends ProbeOptions {
  readonly trial?: StorePause['trial'];
}

/** What a store failed with, or that somebody asked for the pause (`paused`). */
type PauseReason = Pick<MirrorError, 'message'> & Partial<Pick<MirrorError, 'advice'>> & { readonly code: string };

/** Begins a pause where there is none. */
export function withPause(
  state: PauseState,
  store: string,
  { code, message, advice }: PauseReason,
  { trial = null, ...options }: HoldOptions,
): PauseState {
  if (state.pauses[store] !== undefined) return state;
  const { now } = options;
  const paused: StorePause = {
    code,
    reason: message,
    ...(advice !== undefined && { advice }),
    begunAt: now.toISOString(),
    ...nextProbe(probesBefore(state, store, code, now), options),
    trial,
    passed: false,
    compareAfter: false,
  };
  return { ...state, pauses: { ...state.pauses, [store]: paused } };
}

/** How often a store was probed in a pause for the same reason that has only just ended. */
function probesBefore({ ended }: PauseState, store: string, code: string, now: Date): number {
  const last = ended[store];
  const isRelapse = last?.code === code && now.getTime() - Date.parse(last.at) < relapseMs;
  return isRelapse ? last.probes : 0;
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

/** Changes a pause where it still is. */
export function withPauseChanged(state: PauseState, store: string, change: Partial<StorePause>): PauseState {
  const paused = state.pauses[store];
  return paused === undefined ? state : { ...state, pauses: { ...state.pauses, [store]: { ...paused, ...change } } };
}

/** Ends pauses. */
export function withoutPauses(state: PauseState, stores: readonly string[], now: Date): PauseState {
  const pauses = Object.fromEntries(Object.entries(state.pauses).filter(([store]) => !stores.includes(store)));
  const ended = stores.flatMap((store) => {
    const paused = state.pauses[store];
    return paused === undefined
      ? []
      : [[store, { at: now.toISOString(), code: paused.code, probes: paused.probes }] as const];
  });
  return { ...state, pauses, ended: { ...state.ended, ...Object.fromEntries(ended) } };
}

export interface ProbeOptions {
  readonly now: Date;
  /** The first pause; the next ones double up to a minute, unless this is longer. */
  readonly probeAfterMs: number;
  /** In [0, 1); makes each pause a little longer or shorter, so that many mirrors do not come back together. */
  readonly random?: number | undefined;
}

/** When a store that was probed so often, and did not answer, is probed again. */
export function nextProbe(
  probes: number,
  { now, probeAfterMs, random }: ProbeOptions,
): Pick<StorePause, 'probes' | 'probeAt'> {
  const pauseMs = probePauseMs(probes, probeAfterMs, random);
  return { probes: probes + 1, probeAt: new Date(now.getTime() + pauseMs).toISOString() };
}

/** The pause after so many probes in vain. */
export function probePauseMs(probes: number, firstMs: number, random = Math.random()): number {
  const longestMs = Math.max(longestProbePauseMs, firstMs);
  return Math.min(longestMs, firstMs * 2 ** Math.min(probes, 30)) * (0.75 + random / 2);
}
