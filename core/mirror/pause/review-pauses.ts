/** What a tick does about stores that are paused: probes them, and lets the mirror use those that are back. */

import type { CallOptions } from '../../call-options.ts';
import type { Destination } from '../../copy/outcome.ts';
import type { MirrorError } from '../../errors.ts';
import type { InstanceId } from '../../identifiers.ts';
import type { Store } from '../../stores/store.ts';
import type { Pause } from './pause.ts';
import {
  nextProbe,
  type PauseState,
  pauseOn,
  type StorePause,
  wholeMirror,
  withoutPauses,
  withPause,
  withPauseChanged,
} from './pause-state.ts';
import { whyAway } from './store-away.ts';

export interface ReviewOptions extends CallOptions {
  readonly source: Store;
  readonly destinations: readonly Destination[];
  readonly pause: Pause;
  /** The first pause before a store that is paused is probed; the next ones grow. */
  readonly probeAfterMs: number;
  /** See {@link ProbeOptions.random}. */
  readonly random?: (() => number) | undefined;
  /** After this long nothing waits for a store: a comparison serves it when it is back. */
  readonly graceMs: number;
  /** Tries with an instance whether a refusal of a store is over. @returns why it is not; `sent`: that will show later */
  readonly tryOut: (store: string, id: InstanceId) => Promise<MirrorError | 'passed' | 'sent'>;
  /** Whether a store can be probed now at all; absent: it can. */
  readonly mayProbe?: ((store: string) => boolean) | undefined;
  /** Asks whether a store can be used again; absent: one that answers can. @returns why it cannot */
  readonly whyNot?: ((store: Store, options: CallOptions) => Promise<MirrorError | undefined>) | undefined;
}

/** The stores as one tick may use them. */
export interface PauseReview {
  /** Why nothing at all can be done now: the mirror pauses, or its source is paused. */
  readonly standstill: StorePause | undefined;
  /** Destinations that can be used. */
  readonly served: readonly Destination[];
  /** Names of the stores that are paused, those that are back excepted. */
  readonly paused: readonly string[];
  /** Names of the stores that are back and not yet let in: see {@link resume}. */
  readonly back: readonly string[];
  /** Those of them that missed messages, so that a comparison must begin before they are let in. */
  readonly missed: readonly string[];
}

/** Probes what is due, and tells which stores can be used. Throws what reading and writing the state throws. */
export async function reviewPauses(options: ReviewOptions): Promise<PauseReview> {
  const before = await options.pause.read();
  const changes = await Promise.all(
    Object.entries(before.pauses).map(
      async ([store, paused]) => [store, await reviewPause(store, paused, options)] as const,
    ),
  );
  const decided = changes.filter(([, change]) => change !== undefined);
  const decide = (state: PauseState) =>
    decided.reduce((changed, [store, change]) => withPauseChanged(changed, store, change ?? {}), state);
  return reviewOf(decided.length === 0 ? before : await options.pause.change(decide), options);
}

/** What is to be remembered about a pause after it was looked at; nothing where it is not its time. */
async function reviewPause(
  store: string,
  paused: StorePause,
  options: ReviewOptions,
): Promise<Partial<StorePause> | undefined> {
  const { pause, graceMs, mayProbe } = options;
  const now = pause.now();
  const overdue = now.getTime() - Date.parse(paused.begunAt) >= graceMs;
  const aged = overdue && !paused.compareAfter ? { compareAfter: true } : undefined;
  const isAsked = paused.code === 'paused';
  if (isAsked || paused.passed || Date.parse(paused.probeAt) > now.getTime() || mayProbe?.(store) === false)
    return aged;
  const probed = storeNamed(store, options);
  // A store that the configuration no longer has holds nothing up.
  if (probed === undefined) return { ...aged, passed: true };
  return { ...aged, ...(await probe(probed, paused, options)) };
}

async function probe(store: Store, paused: StorePause, options: ReviewOptions): Promise<Partial<StorePause>> {
  const { pause, probeAfterMs, random, tryOut, whyNot = whyAway, signal } = options;
  const reason =
    (await whyNot(store, { signal })) ?? (paused.trial === null ? 'passed' : await tryOut(store.name, paused.trial));
  if (reason === 'passed') return { passed: true };
  const next = nextProbe(paused.probes, { now: pause.now(), probeAfterMs, random: random?.() });
  return reason === 'sent' ? next : { ...next, code: reason.code, reason: reason.message };
}

function storeNamed(name: string, { source, destinations }: ReviewOptions): Store | undefined {
  return [source, ...destinations.map(({ store }) => store)].find((store) => store.name === name);
}

function reviewOf(state: PauseState, { source, destinations, pause }: ReviewOptions): PauseReview {
  const back = Object.entries(state.pauses).filter(([, paused]) => paused.passed);
  const names = back.map(([store]) => store);
  const left = withoutPauses(state, names, pause.now());
  return {
    standstill: pauseOn(left, source.name),
    served: destinations.filter(({ store }) => pauseOn(left, store.name) === undefined),
    paused: Object.keys(left.pauses),
    back: names,
    missed: back.flatMap(([store, paused]) => (paused.compareAfter ? [store] : [])),
  };
}

/** Ends the pauses on stores that are back. A comparison that they need must be written down as begun before. */
export async function resume(pause: Pause, stores: readonly string[]): Promise<void> {
  if (stores.length > 0) await pause.change((state) => withoutPauses(state, stores, pause.now()));
}

/**
 * Before inventories are compared: pauses destinations that do not answer, so that they do not keep the comparison from
 * its end. @returns those that answer; what the others miss, a comparison must find later.
 */
export async function reachable(
  served: readonly Destination[],
  { destinations, pause, probeAfterMs, random, signal }: ReviewOptions,
): Promise<readonly Destination[]> {
  const asked = await Promise.all(
    served.map(async (destination) => ({ destination, away: await whyAway(destination.store, { signal }) })),
  );
  const answers = asked.flatMap(({ destination, away }) => (away === undefined ? [destination] : []));
  if (answers.length === destinations.length) return answers;
  await pause.change((state) => {
    const options = { now: pause.now(), probeAfterMs, random: random?.() };
    const after = asked.reduce(
      (before, { destination, away }) =>
        away === undefined ? before : withPause(before, destination.store.name, away, options),
      state,
    );
    const others = Object.entries(after.pauses).filter(
      ([store, paused]) => store !== wholeMirror && !paused.compareAfter,
    );
    return others.reduce((before, [store]) => withPauseChanged(before, store, { compareAfter: true }), after);
  });
  return answers;
}

/** Leaves out a destination that failed what a comparison needs of it: another comparison follows when it is back. */
export async function holdDestination(
  { store }: Destination,
  error: MirrorError,
  { pause, probeAfterMs, random }: ReviewOptions,
): Promise<void> {
  await pause.change((state) => {
    const after = withPause(state, store.name, error, { now: pause.now(), probeAfterMs, random: random?.() });
    return withPauseChanged(after, store.name, { compareAfter: true });
  });
}
