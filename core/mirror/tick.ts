/**
 * One tick of a scheduled mirror: finds out what is new at the source and puts it on the queue. The progress moves only
 * after the queue acknowledged; a tick that dies is repeated by the next one.
 */
import type { Clock } from '../clock.ts';
import type { PlannedInstance } from '../compare/plan.ts';
import type { Destination } from '../copy/outcome.ts';
import type { DeletionVerdict } from '../deletions/missing.ts';
import { isMirrorError } from '../errors.ts';
import type { Change, ChangeFeed } from '../follow/change-feed.ts';
import { isQuiet } from '../follow/follow.ts';
import { type InstanceId, isInstanceId, type Md5, type OrthancId } from '../identifiers.ts';
import {
  answering,
  holdDestination,
  letIn,
  type PauseReview,
  type ReviewOptions,
  reviewPauses,
} from '../pause/review-pauses.ts';
import type { Openness } from '../schedule/blackouts.ts';
import type { Store } from '../stores/store.ts';
import type { Comparison, ComparisonNotes } from './comparison.ts';
import type { DocumentSync } from './document-sync.ts';
import { type Progress, type ProgressDocument, withMissed } from './progress.ts';
import { dueReason, type MirrorStep, mirrorSteps, type StepOptions } from './steps.ts';

/** What a queue message names: an instance to copy, or a study whose document is to be synchronized. */
export type Announcement = InstanceAnnouncement | { readonly kind: 'study'; readonly id: OrthancId };

export interface InstanceAnnouncement {
  readonly kind: 'instance';
  readonly id: InstanceId;
  readonly md5?: Md5 | undefined;
  readonly sizeBytes?: number | undefined;
}

export interface TickOptions extends ComparisonNotes {
  readonly source: Store;
  readonly feed: ChangeFeed;
  /** See {@link Progress.sourceIdentity}. */
  readonly sourceIdentity: () => Promise<string | null>;
  readonly destinations: readonly Destination[];
  readonly document: ProgressDocument;
  /** Tells which study documents differ somewhere; absent where only instances are mirrored. */
  readonly documents?: Pick<DocumentSync, 'announced' | 'differing'> | undefined;
  /** Resolves when the queue acknowledged every announcement. */
  readonly send: (announcements: readonly Announcement[]) => Promise<void>;
  /** Runs `work` under the mirror's lease; `undefined` if another tick holds it. */
  readonly underLease: <Result>(work: () => Promise<Result>) => Promise<Result | undefined>;
  readonly clock: Clock;
  /** A complete comparison is due this long after the last one. */
  readonly compareEveryMs: number;
  /** Aborts at the deadline; what was acknowledged by then is kept. */
  readonly deadline: AbortSignal;
  /** What the schedule allows; absent: everything. */
  readonly openness?: Openness | undefined;
  /** Stores that are left alone for a while; absent: a store that is away fails the tick. */
  readonly pauses?: Pick<ReviewOptions, 'pause' | 'probeAfterMs' | 'random' | 'graceMs' | 'tryOut'> | undefined;
}

export interface TickReport {
  readonly announced: number;
  /** Ids that were compared in this tick. */
  readonly compared: number;
  /** Ids that a target holds with other bytes, as far as they were compared in this tick. */
  readonly conflicts: number;
  readonly comparing: boolean;
  /** What a comparison that was completed in this tick says of deletions at the source. */
  readonly deletions: DeletionVerdict | undefined;
  /** Why a comparison was begun in this tick, if one was. */
  readonly compareReason: string | undefined;
  /** Another tick was at work; nothing was done. */
  readonly leaseHeld: boolean;
  /** Names of the stores that are left alone for now; `*` for a mirror that pauses as a whole. */
  readonly held: readonly string[];
  /** Whether the source was looked at, or was not because somebody paused the mirror; else it is held for an error. */
  readonly followed: boolean;
}

/** Announcements per send and save of the progress while comparing. */
const batchSize = 500;
/** Compared ids after which the progress is saved even if nothing differed. */
const saveEvery = 10_000;
/** The progress is saved this often at least, so that no slice ends without any. */
const saveEveryMs = 10_000;
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
  #version: string | null = null;
  #saved: Progress | undefined;
  #savedAtMs: number;
  #announced = 0;
  #compared = 0;
  #conflicts = 0;
  #compareReason: string | undefined;
  #deletions: DeletionVerdict | undefined;
  #pauses: PauseReview;
  /** What was compared since the progress was saved, and by which comparison. */
  #part: ComparedPart = nothingCompared();
  #comparison: Comparison | undefined;

  constructor(options: TickOptions) {
    this.#options = options;
    const served = options.destinations;
    this.#pauses = { standstill: undefined, served, held: [], back: [], missed: [] };
    this.#savedAtMs = options.clock.nowMs();
  }

  async run(): Promise<TickReport> {
    const { document, underLease, pauses, openness } = this.#options;
    if (openness?.closedUntil === undefined && pauses !== undefined) {
      this.#pauses = await reviewPauses(this.#reviewOptions(pauses));
    }
    const found = await document.read();
    this.#version = found?.version ?? null;
    this.#saved = found?.value;
    if (openness?.closedUntil !== undefined || this.#pauses.standstill !== undefined) return this.#report(false);
    // A tick that finds nothing new writes nothing and needs no lease.
    if (found !== undefined && (await this.#nothingToDo(found.value))) return this.#report(false);
    const done = await underLease(async () => {
      await this.#work(found?.value);
      return true;
    });
    return this.#report(done === undefined);
  }

  #report(leaseHeld: boolean): TickReport {
    return {
      announced: this.#announced,
      compared: this.#compared,
      conflicts: this.#conflicts,
      deletions: this.#deletions,
      comparing: this.#saved !== undefined && this.#saved.comparison !== null,
      compareReason: this.#compareReason,
      leaseHeld,
      held: this.#pauses.held,
      followed: this.#pauses.standstill === undefined || this.#pauses.standstill.code === 'paused',
    };
  }

  #reviewOptions(pauses: NonNullable<TickOptions['pauses']>): ReviewOptions {
    const { source, destinations, deadline } = this.#options;
    return { ...pauses, source, destinations, signal: deadline };
  }

  async #nothingToDo(progress: Progress): Promise<boolean> {
    const { feed, deadline, clock, compareEveryMs } = this.#options;
    const mayCompare = this.#mayCompare();
    if (this.#pauses.back.length > 0 || (progress.comparison !== null && mayCompare)) return false;
    if (dueReason(progress, { clock, compareEveryMs, mayCompare }) !== undefined) return false;
    return isQuiet(feed, progress.cursor, { nowMs: clock.nowMs(), signal: deadline });
  }

  #mayCompare(): boolean {
    return this.#options.openness?.mayCompare ?? true;
  }

  async #work(found: Progress | undefined): Promise<void> {
    try {
      const start = await this.#letIn(found);
      for (let left = true; left; ) left = await this.#takeSteps(this.#saved ?? start);
    } catch (error) {
      if (!this.#options.deadline.aborted) throw error;
      if (isMirrorError(error, 'changed-meanwhile', 'lease-lost')) throw error;
    }
  }

  /** Stores that are back are used again; if they missed messages, the comparison that finds those is begun before. */
  async #letIn(found: Progress | undefined): Promise<Progress | undefined> {
    const { back, missed } = this.#pauses;
    const { pauses, clock } = this.#options;
    if (pauses === undefined || back.length === 0) return found;
    if (found !== undefined && missed.length > 0) {
      const next = withMissed(found, missed, new Date(clock.nowMs()));
      this.#compareReason = found.comparison === null ? next.comparison?.reason : undefined;
      await this.#save(next);
    }
    await letIn(pauses.pause, back);
    return this.#saved;
  }

  /** @returns whether steps are left to be taken, because a destination was left out meanwhile */
  async #takeSteps(start: Progress | undefined): Promise<boolean> {
    const mayCompare = this.#mayCompare() && (!this.#willCompare(start) || (await this.#someoneAnswers()));
    this.#part = nothingCompared();
    try {
      for await (const step of mirrorSteps(start, this.#stepOptions(mayCompare))) await this.#take(step);
      return false;
    } catch (error) {
      if (!(await this.#leaveOut(error))) throw error;
      return true;
    }
  }

  #willCompare(start: Progress | undefined): boolean {
    const { clock, compareEveryMs } = this.#options;
    return (
      start === undefined || start.comparison !== null || dueReason(start, { clock, compareEveryMs }) !== undefined
    );
  }

  #stepOptions(mayCompare: boolean): StepOptions {
    const { source, feed, sourceIdentity, destinations, deadline, clock, compareEveryMs } = this.#options;
    const { gone, removed, imported, onReturned } = this.#options;
    return {
      ...{ source, feed, sourceIdentity, destinations, clock, compareEveryMs, mayCompare },
      ...{ gone, removed, imported, onReturned },
      served: this.#pauses.served,
      lookEveryMs,
      ahead: compareAhead,
      signal: deadline,
    };
  }

  /** Leaves out destinations that do not answer, before a comparison goes on. @returns whether any is left */
  async #someoneAnswers(): Promise<boolean> {
    const { pauses } = this.#options;
    if (pauses !== undefined) {
      const served = await answering(this.#pauses.served, this.#reviewOptions(pauses));
      this.#pauses = { ...this.#pauses, served };
    }
    return this.#pauses.served.length > 0;
  }

  /** Leaves out the destination that failed the tick, so that the others are served. @returns whether there is one */
  async #leaveOut(error: unknown): Promise<boolean> {
    const { pauses, deadline } = this.#options;
    if (pauses === undefined || !isMirrorError(error) || deadline.aborted) return false;
    // The archive holds the state: without it nothing can go on.
    const failed = this.#pauses.served.find(({ role, store }) => role === 'target' && store.name === error.store);
    if (failed === undefined) return false;
    await holdDestination(failed, error, this.#reviewOptions(pauses));
    const { served, held } = this.#pauses;
    this.#pauses = {
      ...this.#pauses,
      served: served.filter((one) => one !== failed),
      held: [...held, failed.store.name],
    };
    return true;
  }

  async #take(step: MirrorStep): Promise<void> {
    switch (step.kind) {
      case 'begun':
        this.#compareReason = step.reason;
        this.#part = nothingCompared();
        await this.#save(step.progress);
        break;
      case 'changes':
        // What is new goes first; what was compared until now goes with it, so that the progress holds for both.
        await this.#announce(await this.#toAnnounce(step.changes));
        await this.#settlePart();
        await this.#save(step.progress);
        break;
      case 'compared':
        this.#comparison = step.comparison;
        this.#note(step.planned);
        if (!this.#isTimeToSave()) break;
        await this.#settlePart();
        await this.#save(step.progress);
        break;
      case 'listed':
        await this.#announce(this.#part.announcements);
        await this.#announce((await this.#differing()).map(asStudy));
        this.#deletions = await step.comparison.conclude(this.#pauses.served, { signal: this.#options.deadline });
        this.#part = nothingCompared();
        await this.#save(step.progress);
    }
  }

  #note(planned: PlannedInstance): void {
    this.#compared += 1;
    if (planned.settled.some(({ kind }) => kind === 'conflict')) this.#conflicts += 1;
    this.#part.ids += 1;
    if (planned.request === undefined) return;
    const { id, md5, sizeBytes } = planned.request;
    this.#part.announcements.push({ kind: 'instance', id, md5, sizeBytes });
  }

  #isTimeToSave(): boolean {
    const { ids, announcements } = this.#part;
    const elapsedMs = this.#options.clock.nowMs() - this.#savedAtMs;
    return announcements.length >= batchSize || ids >= saveEvery || elapsedMs >= saveEveryMs;
  }

  /** Puts what was compared on the queue. */
  async #settlePart(): Promise<void> {
    if (this.#part.ids === 0) return;
    await this.#announce(this.#part.announcements);
    await this.#comparison?.save();
    this.#part = nothingCompared();
  }

  async #toAnnounce(changes: readonly Change[]): Promise<readonly Announcement[]> {
    const { documents, deadline } = this.#options;
    const studies = (await documents?.announced(changes, { signal: deadline })) ?? [];
    return [...newInstances(changes), ...studies.map(asStudy)];
  }

  async #differing(): Promise<readonly OrthancId[]> {
    const { documents, destinations, deadline } = this.#options;
    const left = destinations.filter((destination) => !this.#pauses.served.includes(destination));
    const withdrawn = new Map(left.map((destination) => [destination, undefined]));
    return (await documents?.differing(withdrawn, { signal: deadline })) ?? [];
  }

  async #announce(announcements: readonly Announcement[]): Promise<void> {
    if (announcements.length === 0) return;
    await this.#options.send(announcements);
    this.#announced += announcements.length;
  }

  async #save(progress: Progress): Promise<void> {
    this.#version = await this.#options.document.write(progress, this.#version);
    this.#saved = progress;
    this.#savedAtMs = this.#options.clock.nowMs();
  }
}

interface ComparedPart {
  ids: number;
  readonly announcements: Announcement[];
}

function nothingCompared(): ComparedPart {
  return { ids: 0, announcements: [] };
}

function newInstances(changes: readonly Change[]): readonly Announcement[] {
  const ids = new Set(changes.filter(({ type }) => type === 'NewInstance').map(({ id }) => id));
  return [...ids].filter(isInstanceId).map((id) => ({ kind: 'instance', id }));
}

function asStudy(id: OrthancId): Announcement {
  return { kind: 'study', id };
}
