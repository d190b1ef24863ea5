/**
 * Decides for every message of a batch which stores it may use, and draws the conclusions from what became of it.
 *
 * A failure can mean two things. If the store still answers a harmless question, the instance is the reason, and its
 * tries count. If it does not, the store is away: it is paused, and no message pays for it. An instance that is on its
 * way again and again when its store goes away becomes a dead letter all the same, or it would take the store down for ever.
 */
import { setImmediate as turnOfOthers } from 'node:timers/promises';
import type { CopyResult, Destination, DestinationOutcome } from '../../copy/outcome.ts';
import { MirrorError } from '../../errors.ts';
import type { InstanceId } from '../../identifiers.ts';
import type { Pause } from '../../mirror/pause/pause.ts';
import {
  type PauseState,
  pauseOn,
  type StorePause,
  timesSuspected,
  withPause,
  withPauseChanged,
  withSuspect,
} from '../../mirror/pause/pause-state.ts';
import { asHalt, looksAway, whyAway } from '../../mirror/pause/store-away.ts';
import type { Store } from '../../stores/store.ts';
import { decidingError } from '../queue/verdict.ts';

/** A message comes back at least so often: SQS keeps none hidden for longer than 12 hours. */
const longestWaitMs = 3_600_000;

export interface MessageGateOptions {
  /** As it is called in messages to people. */
  readonly mirror: string;
  readonly source: Store;
  readonly destinations: readonly Destination[];
  readonly pause: Pause;
  /** A store that is paused is probed this often. */
  readonly probeAfterMs: number;
  /** An instance becomes a dead letter when a store stopped answering this often while it was on its way. */
  readonly mostSuspicions: number;
  /** End of a blackout, in which no server is asked; `undefined` while there is none. */
  readonly closedUntil?: Date | undefined;
  /** Aborts when the time of the batch is over; failures after that say nothing about a store. */
  readonly signal?: AbortSignal | undefined;
}

export interface Admission {
  /** The destinations to be served now. */
  readonly serve: readonly Destination[];
  /** Destinations for which the message must come back; those that a comparison will serve are not among them. */
  readonly waitsFor: MirrorError | undefined;
}

/** For one batch: what is paused is read once, before any of its messages is worked on. */
export class MessageGate {
  readonly #options: MessageGateOptions;
  #state: Promise<PauseState> | undefined;
  readonly #running = new Set<Promise<unknown>>();
  readonly #probes = new Map<Store, Promise<MirrorError | undefined>>();

  constructor(options: MessageGateOptions) {
    this.#options = options;
  }

  /**
   * Runs `work` in its turn: that on an instance that was on its way when a store stopped answering runs alone, after
   * the others of the batch, which must all have asked by then. So it cannot make suspects of its neighbours again.
   */
  async inTurn<Result>(id: InstanceId, work: () => Promise<Result>): Promise<Result> {
    const { suspects } = await this.#read();
    if (!Object.values(suspects).some((ids) => ids[id] !== undefined)) return this.#alongside(work);
    await turnOfOthers();
    const before = [...this.#running];
    return this.#alongside(async () => {
      await Promise.allSettled(before);
      // What the one before did to the store is known by now.
      this.#state = undefined;
      return work();
    });
  }

  #alongside<Result>(work: () => Promise<Result>): Promise<Result> {
    const running = work().finally(() => this.#running.delete(running));
    this.#running.add(running);
    return running;
  }

  admit(id: InstanceId): Promise<Admission> {
    return this.#admit(id);
  }

  async #admit(id: InstanceId | undefined): Promise<Admission> {
    const { source, destinations, closedUntil } = this.#options;
    if (closedUntil !== undefined) return { serve: [], waitsFor: this.#blackout(closedUntil) };
    const state = await this.#read();
    const closed = (store: Store) => pauseFor(state, store, id);
    const atSource = closed(source);
    if (atSource !== undefined) return { serve: [], waitsFor: this.#waitFor(atSource) };
    const waits = destinations.flatMap(({ store }) => {
      const paused = closed(store);
      return paused === undefined ? [] : (this.#waitFor(paused) ?? []);
    });
    return { serve: destinations.filter(({ store }) => closed(store) === undefined), waitsFor: waits[0] };
  }

  /** For a message about what is no instance: which destinations it may use, and which are paused. */
  async admitSidecar(): Promise<Admission & { readonly withdrawn: ReadonlyMap<Destination, undefined> }> {
    const admission = await this.#admit(undefined);
    const closed = this.#options.destinations.filter((destination) => !admission.serve.includes(destination));
    return { ...admission, withdrawn: new Map(closed.map((destination) => [destination, undefined])) };
  }

  /** @returns the error that decides about such a message. A store that refuses it, but answers, is not paused for that. */
  async concludeSidecar(
    { waitsFor }: Admission,
    outcomes: readonly DestinationOutcome[],
  ): Promise<MirrorError | undefined> {
    const { source, pause, probeAfterMs } = this.#options;
    const errors: MirrorError[] = waitsFor === undefined ? [] : [waitsFor];
    for (const { destination, error, at } of outcomes) {
      if (error === undefined) continue;
      const store = at === 'source' ? source : destination.store;
      const absence = looksAway(error) && !this.#isOver() ? await this.#whyAway(store) : undefined;
      if (absence === undefined) {
        errors.push(error);
        continue;
      }
      const state = await pause.change((before) =>
        withPause(before, store.name, absence, { now: pause.now(), probeAfterMs }),
      );
      if (state.pauses[store.name]?.compareAfter !== true) errors.push(asHalt(error, probeAfterMs));
    }
    return decidingError(errors);
  }

  /** @returns the error that decides about the message, or `undefined` if it is done */
  async conclude(
    id: InstanceId,
    { waitsFor }: Admission,
    result: CopyResult | undefined,
  ): Promise<MirrorError | undefined> {
    const errors: MirrorError[] = waitsFor === undefined ? [] : [waitsFor];
    for (const outcome of result?.outcomes ?? []) {
      const error = await this.#meaningOf(id, outcome);
      if (error !== undefined) errors.push(error);
    }
    return decidingError(errors);
  }

  /** What a failure says about the message, after what it says about the store was written down. */
  async #meaningOf(id: InstanceId, { destination, error, at }: DestinationOutcome): Promise<MirrorError | undefined> {
    const { source, pause, probeAfterMs } = this.#options;
    const store = at === 'source' ? source : destination.store;
    if (error === undefined || !looksAway(error)) {
      await this.#notePassed(id, store);
      return error;
    }
    if (this.#isOver()) return error;
    const absence = await this.#whyAway(store);
    const suspicious = error.disposition !== 'halt';
    if (absence === undefined && suspicious) return error;
    // What answers and refuses everybody all the same shows only by an instance when that is over.
    const trial = absence === undefined ? id : null;
    const state = await pause.change((before) => {
      const changed = withPause(before, store.name, absence ?? error, { trial, now: pause.now(), probeAfterMs });
      return suspicious ? withSuspect(changed, store.name, id) : changed;
    });
    const conclusion = suspicious ? this.#suspect(state, store, id, error) : asHalt(error, probeAfterMs);
    const isLeftToComparison = conclusion.disposition === 'halt' && state.pauses[store.name]?.compareAfter === true;
    return isLeftToComparison ? undefined : conclusion;
  }

  #suspect(state: PauseState, store: Store, id: InstanceId, error: MirrorError): MirrorError {
    const { mostSuspicions, probeAfterMs } = this.#options;
    const times = timesSuspected(state, store.name, id);
    if (times < mostSuspicions) return asHalt(error, probeAfterMs);
    const message = `${store.name} stopped answering ${times} times while instance ${id} was on its way: ${error.message}`;
    return new MirrorError(error.code, message, { disposition: 'reject', cause: error });
  }

  /** A trial that got through tells that a refusal is over; the next tick ends the pause. */
  async #notePassed(id: InstanceId, store: Store): Promise<void> {
    const { pause } = this.#options;
    const paused = (await this.#read()).pauses[store.name];
    if (paused === undefined || paused.trial !== id) return;
    await pause.change((state) => withPauseChanged(state, store.name, { passed: true }));
  }

  #blackout(until: Date): MirrorError {
    const { mirror, pause } = this.#options;
    const retryAfterMs = Math.min(longestWaitMs, until.getTime() - pause.now().getTime());
    return new MirrorError('paused', `The mirror ${mirror} has a blackout until ${until.toISOString()}.`, {
      retryAfterMs,
    });
  }

  #waitFor({ code, reason, compareAfter }: StorePause): MirrorError | undefined {
    if (compareAfter) return undefined;
    const { mirror, probeAfterMs } = this.#options;
    const message = `The mirror ${mirror} waits (${code}): ${reason}`;
    return new MirrorError('paused', message, { retryAfterMs: probeAfterMs });
  }

  #isOver(): boolean {
    return this.#options.signal?.aborted === true;
  }

  #read(): Promise<PauseState> {
    this.#state ??= this.#options.pause.read();
    return this.#state;
  }

  /** Failures that come together share a probe. */
  #whyAway(store: Store): Promise<MirrorError | undefined> {
    const under = this.#probes.get(store);
    if (under !== undefined) return under;
    const probe = whyAway(store, { signal: this.#options.signal }).finally(() => this.#probes.delete(store));
    this.#probes.set(store, probe);
    return probe;
  }
}

/** The pause that keeps this instance from a store: none, if the instance is to try out whether the pause may end. */
function pauseFor(state: PauseState, store: Store, id: InstanceId | undefined): StorePause | undefined {
  const paused = pauseOn(state, store.name);
  return paused?.trial === id ? undefined : paused;
}
