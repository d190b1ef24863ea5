/**
 * Which stores a watch can use now. One that fails is left out, whatever the reason, and asked again with growing pauses
 * until it can be used; one's reason is nobody else's. Each beginning, repetition and end is told.
 */

import type { CallOptions } from '../call-options.ts';
import type { Clock } from '../clock.ts';
import type { Destination } from '../copy/outcome.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { Store } from '../stores/store.ts';
import { awayEvent, backEvent, type EventSubject, type MirrorEvent } from './mirror-events.ts';
import type { Pauses } from './mirror-run.ts';
import { askToPause, askToResume } from './pause/ask.ts';
import { type Pause, pauseInMemory } from './pause/pause.ts';
import {
  nothingPaused,
  type PauseState,
  type StorePause,
  wholeMirror,
  withPause,
  withPauseChanged,
} from './pause/pause-state.ts';
import { type ReviewOptions, resume, reviewPauses } from './pause/review-pauses.ts';
import { looksAway, whyAway } from './pause/store-away.ts';
import { type SourceProof, whyOtherSource } from './source-proof.ts';

export interface AttendanceOptions extends CallOptions {
  readonly source: Store;
  readonly destinations: readonly Destination[];
  readonly clock: Clock;
  /** See `MirrorRun.paused`. */
  readonly paused?: (() => Promise<Pauses>) | undefined;
  /** See `MirrorRun.admit`. */
  readonly admit?: ((destination: Destination, options: CallOptions) => Promise<MirrorError | undefined>) | undefined;
  /** See `MirrorRun.sourceProof`. */
  readonly sourceProof?: Pick<SourceProof, 'verify'> | undefined;
  /** Tries whether a store takes or gives this instance. @returns why it does not */
  readonly tryOut: (store: Store, id: InstanceId) => Promise<MirrorError | undefined>;
  /** How often it is looked whether somebody wants a pause. */
  readonly askEveryMs: number;
  /** In a blackout nobody is asked for anything. */
  readonly isClosed: () => boolean;
  readonly tell: (event: MirrorEvent) => void;
}

const firstPauseMs = 1000;

export class Attendance {
  readonly #options: AttendanceOptions;
  readonly #pause: Pause;
  #state: PauseState = nothingPaused;
  /** Destinations that are back, and for which everything must be compared. */
  #missed: readonly string[] = [];
  #changed = new AbortController();
  /** Aborts when there is somebody more to be asked. */
  #news = new AbortController();
  readonly #probes = new Map<Store, Promise<MirrorError | undefined>>();
  /** Those that are being left out. */
  readonly #leaving = new Set<string>();
  #version = 0;

  constructor(options: AttendanceOptions) {
    this.#options = options;
    this.#pause = pauseInMemory(() => new Date(options.clock.nowMs()));
  }

  /** The destinations that can be used. */
  get served(): readonly Destination[] {
    return this.#options.destinations.filter(({ store }) => !this.isLeftOut(store));
  }

  /** The destinations that cannot, with the reason. */
  get leftOut(): ReadonlyMap<Destination, StorePause> {
    const { pauses } = this.#state;
    return new Map(
      this.#options.destinations.flatMap((one) => {
        const paused = pauses[one.store.name];
        return paused === undefined ? [] : [[one, paused] as const];
      }),
    );
  }

  /** Why nothing at all can be done: the source cannot be used, or the mirror as a whole. */
  get standstill(): StorePause | undefined {
    return this.#state.pauses[wholeMirror] ?? this.#state.pauses[this.#options.source.name];
  }

  /** Aborts as soon as other stores can be used than now. */
  get changed(): AbortSignal {
    return this.#changed.signal;
  }

  /** Differs whenever other stores can be used than before. */
  get version(): number {
    return this.#version;
  }

  isLeftOut(store: Store): boolean {
    return this.#leaving.has(store.name) || this.#state.pauses[store.name] !== undefined;
  }

  /** @returns the names of destinations that came back since the last call, and missed something */
  takeMissed(): readonly string[] {
    const missed = this.#missed;
    this.#missed = [];
    return missed;
  }

  /** Asks every store once, before anything begins. */
  async begin(): Promise<void> {
    await this.#respectWishes();
    const { signal } = this.#options;
    await Promise.all(
      this.#stores.map(async (store) => {
        if (this.isLeftOut(store) || (await whyAway(store, { signal })) === undefined) return;
        const reason = await this.#whyNot(store, { signal });
        if (reason !== undefined) await this.leaveOut(store, reason);
      }),
    );
  }

  /** Asks those that are left out when it is time, until the signal aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    const { clock, isClosed } = this.#options;
    while (!signal.aborted) {
      await clock.wait(this.#untilNextMs(), AbortSignal.any([signal, this.#news.signal]));
      if (this.#news.signal.aborted) this.#news = new AbortController();
      if (signal.aborted || isClosed()) continue;
      try {
        await this.#review();
      } catch (error) {
        if (!signal.aborted) throw error;
      }
    }
  }

  /**
   * Leaves out a store for a reason that it met.
   * @param trial an instance that it refused, which tells whether it takes any again
   */
  async leaveOut(store: Store | undefined, error: MirrorError, trial: InstanceId | null = null): Promise<void> {
    const name = store?.name ?? wholeMirror;
    if (this.#leaving.has(name)) return;
    this.#leaving.add(name);
    const isFirst = this.#state.pauses[name] === undefined;
    const now = this.#pause.now();
    await this.#change((state) => withPause(state, name, error, { trial, now, probeAfterMs: firstPauseMs }));
    this.#leaving.delete(name);
    if (isFirst) this.#tellAway(name);
  }

  /**
   * Finds out whether a store met more than a failure of one instance: then it is left out.
   * @param error how the instance failed
   */
  async judge(store: Store, error: MirrorError): Promise<void> {
    if (this.isLeftOut(store) || !looksAway(error)) return;
    const { signal } = this.#options;
    const probe = this.#probes.get(store) ?? whyAway(store, { signal }).finally(() => this.#probes.delete(store));
    this.#probes.set(store, probe);
    const reason = await probe;
    if (reason !== undefined) await this.leaveOut(store, reason);
  }

  /** Leaves out who is to blame for an error that ended the work on everything; if nobody is, all rest for a while. */
  async blame(error: MirrorError): Promise<void> {
    const named = this.#stores.find(({ name }) => name === error.store);
    if (named !== undefined) await this.leaveOut(named, error);
    else if ((await this.findAway(error)) === 0) await this.leaveOut(undefined, error);
  }

  /** Leaves out who does not answer, of those that an error may come from. @returns how many those are */
  async findAway(error: MirrorError): Promise<number> {
    const { signal } = this.#options;
    const named = this.#stores.filter(({ name }) => name === error.store);
    const asked = (named.length > 0 ? named : this.#stores).map(async (store) => {
      const reason = this.isLeftOut(store) ? undefined : await whyAway(store, { signal });
      if (reason !== undefined) await this.leaveOut(store, reason);
      return this.isLeftOut(store);
    });
    return (await Promise.all(asked)).filter(Boolean).length;
  }

  async #review(): Promise<void> {
    const { source, destinations, tryOut, signal } = this.#options;
    await this.#respectWishes();
    const before = this.#state;
    const options: ReviewOptions = {
      source,
      destinations,
      pause: this.#pause,
      probeAfterMs: firstPauseMs,
      graceMs: 0,
      signal,
      mayProbe: (name) => this.#mayProbe(name),
      whyNot: (store, call) => this.#whyNot(store, call),
      tryOut: async (name, id) => {
        const store = this.#stores.find((one) => one.name === name);
        return (store && (await tryOut(store, id))) ?? 'passed';
      },
    };
    const { back, missed } = await reviewPauses(options);
    const names = new Set(destinations.map(({ store }) => store.name));
    // Nothing is lost while the source is away: the feed is followed from where it was left.
    this.#missed = [...new Set([...this.#missed, ...missed.filter((name) => names.has(name))])];
    await resume(this.#pause, back);
    await this.#change((state) => state);
    for (const [name, { probes }] of Object.entries(this.#state.pauses)) {
      const known = before.pauses[name];
      if (known !== undefined && known.probes < probes) this.#tellAway(name);
    }
    for (const name of back) this.#tellBack(name, before.pauses[name]);
  }

  /** Takes over what somebody wants to pause, and ends what nobody wants any more. */
  async #respectWishes(): Promise<void> {
    const { paused, destinations } = this.#options;
    // The pauses lie beside the archive: while that is away, nobody waits for them, and nothing of them changes.
    if (paused === undefined || (this.#archive !== undefined && this.#isAway(this.#archive))) return;
    const wishes = await paused();
    const subjects = [undefined, ...destinations];
    for (const one of subjects) {
      const name = one?.store.name ?? wholeMirror;
      const reason = wishes(one);
      const isPaused = this.#state.pauses[name]?.code === 'paused';
      if (reason !== undefined && !isPaused) {
        await askToPause(this.#pause, reason.message, name);
        await this.#change((state) => withPauseChanged(state, name, { compareAfter: true }));
        this.#tellAway(name);
      } else if (reason === undefined && isPaused) await askToResume(this.#pause, name);
    }
    await this.#change((state) => state);
  }

  #isAway(store: Store): boolean {
    const paused = this.#state.pauses[store.name];
    return paused !== undefined && paused.code !== 'paused';
  }

  /** Why a store cannot be used, although perhaps it answers. */
  async #whyNot(store: Store, call: CallOptions): Promise<MirrorError | undefined> {
    const { source, destinations, admit, sourceProof } = this.#options;
    const destination = destinations.find((one) => one.store === store);
    const reason =
      destination === undefined || admit === undefined
        ? await whyAway(store, call)
        : await admit(destination, call).catch(outside);
    if (reason !== undefined || (store !== source && destination?.role !== 'archive')) return reason;
    // Who was away may have been exchanged meanwhile.
    const isArchiveOut = this.#archive === undefined || (this.isLeftOut(this.#archive) && this.#archive !== store);
    return isArchiveOut ? undefined : whyOtherSource(sourceProof, call);
  }

  async #change(decide: (state: PauseState) => PauseState): Promise<void> {
    const before = this.#state;
    this.#state = await this.#pause.change(decide);
    const names = (state: PauseState): string => Object.keys(state.pauses).sort().join('\n');
    if (names(before) === names(this.#state)) return;
    this.#version += 1;
    this.#changed.abort();
    this.#changed = new AbortController();
    this.#news.abort();
  }

  #untilNextMs(): number {
    const { clock, paused, askEveryMs, isClosed } = this.#options;
    const dueMs = Object.entries(this.#state.pauses)
      .filter(([name, { code }]) => code !== 'paused' && this.#mayProbe(name))
      .map(([, { probeAt }]) => Date.parse(probeAt) - clock.nowMs());
    const askMs = paused === undefined ? Number.POSITIVE_INFINITY : askEveryMs;
    return Math.max(isClosed() ? askEveryMs : 0, Math.min(askMs, ...dueMs));
  }

  /** Without the source nothing can be tried with an instance, and nothing could be copied. */
  #mayProbe(name: string): boolean {
    const { source } = this.#options;
    return name === source.name || !this.isLeftOut(source);
  }

  get #archive(): Store | undefined {
    return this.#options.destinations.find(({ role }) => role === 'archive')?.store;
  }

  get #stores(): readonly Store[] {
    const { source, destinations } = this.#options;
    return [source, ...destinations.map(({ store }) => store)];
  }

  #tellAway(name: string): void {
    const paused = this.#state.pauses[name];
    const { clock, tell } = this.#options;
    if (paused !== undefined) tell(awayEvent(this.#subject(name), paused, clock.nowMs()));
  }

  #tellBack(name: string, paused: StorePause | undefined): void {
    const { clock, tell } = this.#options;
    if (paused !== undefined) tell(backEvent(this.#subject(name), paused, clock.nowMs()));
  }

  #subject(name: string): EventSubject {
    const { source, destinations } = this.#options;
    if (name === wholeMirror) return { role: 'mirror', store: name };
    if (name === source.name) return { role: 'source', store: name };
    const destination = destinations.find(({ store }) => store.name === name);
    return { role: destination?.role ?? 'mirror', store: name };
  }
}

/** An error of the outside as a value. */
function outside(error: unknown): MirrorError {
  if (isMirrorError(error)) return error;
  throw error;
}
