/** What a tick does about stores that are left alone: probes them, and lets the mirror use those that are back. */
import type { Destination } from '../copy/outcome.ts';
import type { MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { CallOptions, Store } from '../stores/store.ts';
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
  /** A store that is held is probed this often. */
  readonly probeAfterMs: number;
  /** After this long messages no longer wait for a store: a comparison serves it when it is back. */
  readonly graceMs: number;
  /** Puts an instance on the queue that is to try out whether a refusal is over. */
  readonly sendTrial: (id: InstanceId) => Promise<void>;
}

/** The stores as one tick may use them. */
export interface PauseReview {
  /** Why nothing at all can be done now: the mirror pauses, or its source is held. */
  readonly standstill: Hold | undefined;
  /** Destinations that can be used. */
  readonly served: readonly Destination[];
  /** Names of the stores that are held, those that are back excepted. */
  readonly held: readonly string[];
  /** Names of the stores that are back and not yet let in: see {@link letIn}. */
  readonly back: readonly string[];
  /** Whether those that are back missed messages, so that a comparison must begin before they are let in. */
  readonly mustCompare: boolean;
}

/** Probes what is due, and tells which stores can be used. Throws what reading and writing the state throws. */
export async function reviewPauses(options: ReviewOptions): Promise<PauseReview> {
  const before = await options.pause.read();
  const changes: [string, Partial<Hold>][] = [];
  for (const [store, hold] of Object.entries(before.holds)) {
    const change = await reviewHold(store, hold, options);
    if (change !== undefined) changes.push([store, change]);
  }
  const decide = (state: PauseState) =>
    changes.reduce((changed, [store, change]) => withHoldChanged(changed, store, change), state);
  return reviewOf(changes.length === 0 ? before : await options.pause.change(decide), options);
}

/** What is to be remembered about a hold after it was looked at; nothing where it is not its time. */
async function reviewHold(store: string, hold: Hold, options: ReviewOptions): Promise<Partial<Hold> | undefined> {
  const { pause, probeAfterMs, graceMs, sendTrial, signal } = options;
  const now = pause.now();
  const overdue = now.getTime() - Date.parse(hold.begunAt) >= graceMs;
  const aged = overdue && !hold.compareAfter ? { compareAfter: true } : undefined;
  const isAsked = hold.code === 'paused';
  if (isAsked || hold.passed || Date.parse(hold.probeAt) > now.getTime()) return aged;
  const probed = storeNamed(store, options);
  // A store that the configuration no longer has holds nothing up.
  if (probed === undefined) return { passed: true };
  const away = await whyAway(probed, { signal });
  if (away !== undefined) {
    return { ...aged, ...nextProbe({ ...hold, trial: null }, now, probeAfterMs), reason: away.message };
  }
  if (hold.trial === null) return { ...aged, passed: true };
  await sendTrial(hold.trial);
  return { ...aged, ...nextProbe(hold, now, probeAfterMs) };
}

function storeNamed(name: string, { source, destinations }: ReviewOptions): Store | undefined {
  return [source, ...destinations.map(({ store }) => store)].find((store) => store.name === name);
}

function reviewOf(state: PauseState, { source, destinations }: ReviewOptions): PauseReview {
  const back = Object.entries(state.holds).filter(([, hold]) => hold.passed);
  const names = back.map(([store]) => store);
  const left = withoutHolds(state, names);
  return {
    standstill: holdOn(left, source.name),
    served: destinations.filter(({ store }) => holdOn(left, store.name) === undefined),
    held: Object.keys(left.holds),
    back: names,
    mustCompare: back.some(([, hold]) => hold.compareAfter),
  };
}

/** Ends the holds on stores that are back. A comparison that they need must be written down as begun before. */
export async function letIn(pause: Pause, stores: readonly string[]): Promise<void> {
  if (stores.length > 0) await pause.change((state) => withoutHolds(state, stores));
}

/**
 * Before inventories are compared: holds destinations that do not answer, so that they do not keep the comparison from
 * its end. @returns those that answer; what the others miss, a comparison must find later.
 */
export async function answering(
  served: readonly Destination[],
  { destinations, pause, probeAfterMs, signal }: ReviewOptions,
): Promise<readonly Destination[]> {
  const asked = await Promise.all(
    served.map(async (destination) => ({ destination, away: await whyAway(destination.store, { signal }) })),
  );
  const leftOut = asked.flatMap(({ destination, away }) =>
    away === undefined ? [] : [[destination.store.name, away] as const],
  );
  const answers = asked.flatMap(({ destination, away }) => (away === undefined ? [destination] : []));
  if (answers.length === destinations.length) return answers;
  await pause.change((state) => noteLeftOut(state, leftOut, { now: pause.now(), probeAfterMs }));
  return answers;
}

function noteLeftOut(
  state: PauseState,
  away: readonly (readonly [string, MirrorError])[],
  when: { readonly now: Date; readonly probeAfterMs: number },
): PauseState {
  const held = away.reduce((before, [store, error]) => withHold(before, store, error, when), state);
  const stores = Object.entries(held.holds).filter(([store, hold]) => store !== wholeMirror && !hold.compareAfter);
  return stores.reduce((before, [store]) => withHoldChanged(before, store, { compareAfter: true }), held);
}
