/**
 * One tick of a scheduled mirror: finds out what is new at the source and puts it on the queue. The progress moves only
 * after the queue acknowledged; a tick that dies is repeated by the next one.
 */

import type { CallOptions } from '../call-options.ts';
import type { Destination } from '../copy/outcome.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { ChangeFeed } from '../stores/change-feed.ts';
import type { Store } from '../stores/store.ts';
import { Announcing, type AnnouncingOptions } from './announcing.ts';
import type { ComparisonNotes } from './comparison.ts';
import { cursorAtEnd, isQuiet } from './follow/follow.ts';
import { withPause } from './pause/pause-state.ts';
import {
  holdDestination,
  type PauseReview,
  type ReviewOptions,
  reachable,
  resume,
  reviewPauses,
} from './pause/review-pauses.ts';
import { whyAway } from './pause/store-away.ts';
import { type Progress, withMissed } from './progress.ts';
import type { Deletions } from './record-removals.ts';
import type { Openness } from './schedule/blackouts.ts';
import { whyOtherSource } from './source-proof.ts';
import { dueReason, mirrorSteps, type StepOptions } from './steps.ts';

export interface TickOptions extends ComparisonNotes, AnnouncingOptions {
  readonly source: Store;
  readonly feed: ChangeFeed;
  /** See {@link Progress.sourceIdentity}. */
  readonly sourceIdentity: () => Promise<string | null>;
  /** Runs `work` under the mirror's lease; `undefined` if another tick holds it. */
  readonly underLease: <Result>(work: () => Promise<Result>) => Promise<Result | undefined>;
  /** Whether a part of a listing was put away, to go on with: a tick that got no further has not been in vain. */
  readonly hasPutAway?: (() => boolean) | undefined;
  /** A complete comparison is due this long after the last one. */
  readonly compareEveryMs: number;
  /** What the schedule allows; absent: everything. */
  readonly openness?: Openness | undefined;
  /** Stores that are paused for a while; absent: a store that is away fails the tick. */
  readonly pauses?: Pick<ReviewOptions, 'pause' | 'probeAfterMs' | 'random' | 'graceMs' | 'tryOut'> | undefined;
}

export interface TickReport {
  readonly announced: number;
  /** Ids that were compared in this tick. */
  readonly compared: number;
  /** Ids that a target holds with other bytes, as far as they were compared in this tick; deleted ones included. */
  readonly conflicts: number;
  readonly comparing: boolean;
  /** What a comparison that was completed in this tick says of deletions at the source. */
  readonly deletions: Deletions | undefined;
  /** Why a comparison was begun in this tick, if one was. */
  readonly compareReason: string | undefined;
  /** Another tick was at work; nothing was done. */
  readonly leaseHeld: boolean;
  /** Names of the stores that are paused for now; `*` for a mirror that pauses as a whole. */
  readonly paused: readonly string[];
  /** Whether the source was looked at, or was not because somebody paused the mirror; else it is paused for an error. */
  readonly followed: boolean;
  /** A comparison is due or under way, and waits until there is room on the queue. */
  readonly waitsForQueue: boolean;
}

/** While it compares, a tick looks at the feed as often as ticks that do not compare would. */
const lookEveryMs = 60_000;
/** Ids that may be compared ahead of what is on the queue. */
const compareAhead = 1000;

/** Runs one tick. Throws a MirrorError when source, archive or queue failed; what was saved until then holds. */
export async function tick(options: TickOptions): Promise<TickReport> {
  return new Tick(options).run();
}

class Tick {
  readonly #options: TickOptions;
  readonly #announcing: Announcing;
  #pauses: PauseReview;
  #waitsForQueue = false;

  constructor(options: TickOptions) {
    this.#options = options;
    const served = options.destinations;
    this.#pauses = { standstill: undefined, served, paused: [], back: [], missed: [] };
    this.#announcing = new Announcing(options, () => this.#pauses.served);
  }

  async run(): Promise<TickReport> {
    const { underLease, pauses, openness } = this.#options;
    if (openness?.closedUntil === undefined && pauses !== undefined) {
      this.#pauses = await reviewPauses(this.#reviewOptions(pauses));
    }
    const found = await this.#announcing.read();
    if (openness?.closedUntil !== undefined || this.#pauses.standstill !== undefined) return this.#report(false);
    await this.#reviewBacklog(found);
    // A tick that finds nothing new writes nothing and needs no lease.
    if (found !== undefined && (await this.#nothingToDo(found))) return this.#report(false);
    const done = await underLease(async () => {
      await this.#work(found);
      return true;
    });
    return this.#report(done === undefined);
  }

  #report(leaseHeld: boolean): TickReport {
    const { announced, compared, conflicts, deletions, compareReason, saved } = this.#announcing;
    return {
      announced,
      compared,
      conflicts,
      deletions,
      comparing: saved !== undefined && saved.comparison !== null,
      compareReason,
      leaseHeld,
      paused: this.#pauses.paused,
      followed: this.#pauses.standstill === undefined || this.#pauses.standstill.code === 'paused',
      waitsForQueue: this.#waitsForQueue || this.#announcing.isFull,
    };
  }

  /** The queue is asked only when there is something to compare. */
  async #reviewBacklog(found: Progress | undefined): Promise<void> {
    const { backlog } = this.#options;
    if (backlog === undefined || !this.#mayCompare() || !this.#willCompare(found)) return;
    this.#waitsForQueue = !(await backlog.letsCompare(found));
  }

  #reviewOptions(pauses: NonNullable<TickOptions['pauses']>): ReviewOptions {
    const { source, destinations, sourceProof, deadline } = this.#options;
    const whyNot = async (store: Store, call: CallOptions) =>
      (await whyAway(store, call)) ?? (store === source ? whyOtherSource(sourceProof, call) : undefined);
    return { ...pauses, whyNot, source, destinations, signal: deadline };
  }

  async #nothingToDo(progress: Progress): Promise<boolean> {
    const { feed, deadline, clock, compareEveryMs } = this.#options;
    const mayCompare = this.#mayCompare();
    if (this.#pauses.back.length > 0 || (progress.comparison !== null && mayCompare)) return false;
    if (dueReason(progress, { clock, compareEveryMs, mayCompare }) !== undefined) return false;
    return isQuiet(feed, progress.cursor, { nowMs: clock.nowMs(), signal: deadline });
  }

  #mayCompare(): boolean {
    return !this.#waitsForQueue && (this.#options.openness?.mayCompare ?? true);
  }

  async #work(found: Progress | undefined): Promise<void> {
    try {
      const start = await this.#resume(found);
      await this.#takeSteps(start);
    } catch (error) {
      await this.#holdOtherSource(error);
      const gotOn = this.#announcing.hasSaved || this.#options.hasPutAway?.() === true;
      if (!this.#options.deadline.aborted || !gotOn) throw error;
      if (isMirrorError(error, 'changed-meanwhile', 'lease-lost')) throw error;
    }
  }

  /** Has all messages wait while the archive belongs to another source. */
  async #holdOtherSource(error: unknown): Promise<void> {
    const { source, pauses } = this.#options;
    if (pauses === undefined || !isMirrorError(error, 'other-source')) return;
    const { pause, probeAfterMs, random } = pauses;
    const options = { now: pause.now(), probeAfterMs, random: random?.() };
    await pause.change((state) => withPause(state, source.name, error, options));
  }

  /** Stores that are back are used again; if they missed messages, the comparison that finds those is begun before. */
  async #resume(found: Progress | undefined): Promise<Progress | undefined> {
    const { back, missed } = this.#pauses;
    const { pauses, clock } = this.#options;
    if (pauses === undefined || back.length === 0) return found;
    if (found !== undefined && missed.length > 0) {
      await this.#beginComparison(found, withMissed(found, missed, new Date(clock.nowMs())));
    }
    await resume(pauses.pause, back);
    return this.#announcing.saved;
  }

  async #takeSteps(start: Progress | undefined): Promise<void> {
    const mayCompare = this.#mayCompare() && (!this.#willCompare(start) || (await this.#someoneAnswers()));
    do {
      this.#announcing.isInterrupted = false;
      for await (const step of mirrorSteps(this.#announcing.saved ?? start, this.#stepOptions(mayCompare))) {
        await this.#announcing.take(step);
        // The next tick looks at the feed first: what is new never waits for room.
        if (this.#announcing.isFull) break;
      }
    } while (this.#announcing.isInterrupted && !this.#options.deadline.aborted);
    if (this.#announcing.isOverrun) await this.#compareInstead();
  }

  /** More came than the queue takes: a comparison finds it, when there is room, and what comes now does not wait behind it. */
  async #compareInstead(): Promise<void> {
    const { feed, clock, deadline, destinations } = this.#options;
    const { saved } = this.#announcing;
    if (saved === undefined) throw new Error('the feed is followed before anything was saved');
    const nowMs = clock.nowMs();
    const cursor = await cursorAtEnd(feed, { nowMs, signal: deadline });
    const names = destinations.map(({ store }) => store.name);
    const reason = 'more came than the queue takes';
    await this.#beginComparison(saved, withMissed({ ...saved, cursor }, names, new Date(nowMs), reason));
  }

  async #beginComparison(before: Progress, next: Progress): Promise<void> {
    if (before.comparison === null) this.#announcing.compareReason = next.comparison?.reason;
    await this.#announcing.save(next);
  }

  #willCompare(start: Progress | undefined): boolean {
    const { clock, compareEveryMs } = this.#options;
    return (
      start === undefined || start.comparison !== null || dueReason(start, { clock, compareEveryMs }) !== undefined
    );
  }

  #stepOptions(mayCompare: boolean): StepOptions {
    const { source, feed, sourceIdentity, destinations, deadline, clock, compareEveryMs } = this.#options;
    const { gone, sourceProof } = this.#options;
    return {
      source,
      feed,
      sourceIdentity,
      destinations,
      clock,
      compareEveryMs,
      mayCompare,
      gone,
      sourceProof,
      served: this.#pauses.served,
      lookEveryMs,
      ahead: compareAhead,
      signal: deadline,
      onUnlisted: (failed, error) => this.#onUnlisted(failed, error),
    };
  }

  /** Leaves out destinations that do not answer, before a comparison goes on. @returns whether any is left */
  async #someoneAnswers(): Promise<boolean> {
    const { pauses } = this.#options;
    if (pauses !== undefined) {
      const served = await reachable(this.#pauses.served, this.#reviewOptions(pauses));
      this.#pauses = { ...this.#pauses, served };
    }
    return this.#pauses.served.length > 0;
  }

  /** A target that fails a comparison is not in the way of the others. The archive holds the state: nothing goes without. */
  async #onUnlisted(failed: Destination, error: MirrorError): Promise<'left-out' | 'unlisted' | undefined> {
    const { pauses, deadline } = this.#options;
    if (pauses === undefined || failed.role === 'archive') return undefined;
    // The comparison goes on behind what was compared until now.
    await this.#announcing.finishPart();
    const away = await whyAway(failed.store, { signal: deadline });
    if (away === undefined) return 'unlisted';
    await holdDestination(failed, error, this.#reviewOptions(pauses));
    const { served, paused } = this.#pauses;
    this.#pauses = {
      ...this.#pauses,
      served: served.filter((one) => one !== failed),
      paused: [...paused, failed.store.name],
    };
    return 'left-out';
  }
}
