/** What a tick does about stores that are paused: probes them, and lets the mirror use those that are back. */

import type { CallOptions } from '../../call-options.ts';
import type { Destination } from '../../copy/outcome.ts';
import type { MirrorError } from '../../errors.ts';
import type { InstanceId } from '../../identifiers.ts';
import type { Store } from '../../stores/store.ts';
import type { Pause } from './pause.ts';
import {
  type Hold,
  holdOn,
  nextProbe,
  type PauseState,
  wholeMirror,
  withHold,
  withHoldChanged,
  withoutHolds,
} from './pause-state.ts';
import { whyAway } from './store-away.ts';

export interface ReviewOptions extends CallOptions {
  readonly source: Store;
  readonly destinations: readonly Destination[];
  readonly pause: Pause;
  /** The first pause before a store that is held is probed; the next ones grow. */
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
  /** Why nothing at all can be done now: the mirror pauses, or its source is held. */
  readonly standstill: Hold | undefined;
  /** Destinations that can be used. */
  readonly served: readonly Destination[];
  /** Names of the stores that are held, those that are back excepted. */
  readonly held: readonly string[];
  /** Names of the stores that are back and not yet let in: see {@link resume}. */
  readonly back: readonly string[];
  /** Those of them that missed messages, so that a comparison must begin before they are let in. */
  readonly missed: readonly string[];
}

/** Probes what is due, and tells which stores can be used. Throws what reading and writing the state throws. */
export async function reviewPauses(options: ReviewOptions): Promise<PauseReview> {
  const before = await options.pause.read();
  const changes = await Promise.all(
    Object.entries(before.holds).map(async ([store, hold]) => [store, await reviewHold(store, hold, options)] as const),
  );
  const decided = changes.filter(([, change]) => change !== undefined);
  const decide = (state: PauseState) =>
    decided.reduce((changed, [store, change]) => withHoldChanged(changed, store, change ?? {}), state);
  return reviewOf(decided.length === 0 ? before : await options.pause.change(decide), options);
}

/** What is to be remembered about a hold after it was looked at; nothing where it is not its time. */
async function reviewHold(store: string, hold: Hold, options: ReviewOptions): Promise<Partial<Hold> | undefined> {
  const { pause, graceMs, mayProbe } = options;
  const now = pause.now();
  const overdue = now.getTime() - Date.parse(hold.begunAt) >= graceMs;
  const aged = overdue && !hold.compareAfter ? { compareAfter: true } : undefined;
  const isAsked = hold.code === 'paused';
  if (isAsked || hold.passed || Date.parse(hold.probeAt) > now.getTime() || mayProbe?.(store) === false) return aged;
  const probed = storeNamed(store, options);
  // A store that the configuration no longer has holds nothing up.
  if (probed === undefined) return { ...aged, passed: true };
  return { ...aged, ...(await probe(probed, hold, options)) };
}

async function probe(store: Store, hold: Hold, options: ReviewOptions): Promise<Partial<Hold>> {
  const { pause, probeAfterMs, random, tryOut, whyNot = whyAway, signal } = options;
  const reason =
    (await whyNot(store, { signal })) ?? (hold.trial === null ? 'passed' : await tryOut(store.name, hold.trial));
  if (reason === 'passed') return { passed: true };
  const next = nextProbe(hold.probes, { now: pause.now(), probeAfterMs, random: random?.() });
  return reason === 'sent' ? next : { ...next, code: reason.code, reason: reason.message };
}

function storeNamed(name: string, { source, destinations }: ReviewOptions): Store | undefined {
  return [source, ...destinations.map(({ store }) => store)].find((store) => store.name === name);
}

function reviewOf(state: PauseState, { source, destinations, pause }: ReviewOptions): PauseReview {
  const back = Object.entries(state.holds).filter(([, hold]) => hold.passed);
  const names = back.map(([store]) => store);
  const left = withoutHolds(state, names, pause.now());
  return {
    standstill: holdOn(left, source.name),
    served: destinations.filter(({ store }) => holdOn(left, store.name) === undefined),
    held: Object.keys(left.holds),
    back: names,
    missed: back.flatMap(([store, hold]) => (hold.compareAfter ? [store] : [])),
  };
}

/** Ends the holds on stores that are back. A comparison that they need must be written down as begun before. */
export async function resume(pause: Pause, stores: readonly string[]): Promise<void> {
  if (stores.length > 0) await pause.change((state) => withoutHolds(state, stores, pause.now()));
}

/**
 * Before inventories are compared: holds destinations that do not answer, so that they do not keep the comparison from
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
    const held = asked.reduce(
      (before, { destination, away }) =>
        away === undefined ? before : withHold(before, destination.store.name, away, options),
      state,
    );
    const others = Object.entries(held.holds).filter(([store, hold]) => store !== wholeMirror && !hold.compareAfter);
    return others.reduce((before, [store]) => withHoldChanged(before, store, { compareAfter: true }), held);
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
    const held = withHold(state, store.name, error, { now: pause.now(), probeAfterMs, random: random?.() });
    return withHoldChanged(held, store.name, { compareAfter: true });
  });
}
