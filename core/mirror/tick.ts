/**
 * One tick of a scheduled mirror: finds out what is new at the source and puts it on the queue. The state moves only
 * after the queue acknowledged; a tick that dies is repeated by the next one.
 */
import { z } from 'zod';
import { type PlanOptions, planCopies } from '../compare/plan.ts';
import type { Destination } from '../copy/outcome.ts';
import type { Deletions, GoneKeeper } from '../deletions/gone-keeper.ts';
import { isMirrorError } from '../errors.ts';
import type { Change, ChangeFeed } from '../follow/change-feed.ts';
import { cursorSchema } from '../follow/cursor.ts';
import { cursorAtEnd, followChanges } from '../follow/follow.ts';
import { type InstanceId, isInstanceId, type Md5, type OrthancId } from '../identifiers.ts';
import { answering, letIn, type PauseReview, type ReviewOptions, reviewPauses } from '../pause/review-pauses.ts';
import type { Openness } from '../schedule/blackouts.ts';
import type { StateDocument } from '../stores/archive/state.ts';
import type { Store } from '../stores/store.ts';
import { addTo, type ComparedPart, emptyPart } from './compared-part.ts';
import type { DocumentSync } from './document-sync.ts';

/** What is remembered between ticks: `state/<mirror>/schedule.json`. */
export const scheduleSchema = z.strictObject({
  version: z.literal(1),
  /** What tells the source's database from another one; `null` where the server does not tell (before 1.11.1). */
  sourceIdentity: z.string().nullable(),
  cursor: cursorSchema,
  /** The comparison of the inventories that is under way, or `null`. */
  inventory: z
    .strictObject({
      /** Every id up to this one was compared and what differed is on the queue. */
      after: z.custom<InstanceId>(isInstanceId).nullable(),
      startedAt: z.iso.datetime(),
      reason: z.string(),
    })
    .nullable(),
  /** When the last comparison was completed. */
  comparedAt: z.iso.datetime().nullable(),
});
export type Schedule = z.infer<typeof scheduleSchema>;

/** The document of the schedule; a `StateDocument` of the archive is one. */
export type ScheduleDocument = Pick<StateDocument<Schedule>, 'read' | 'write'>;

/** What a queue message names: an instance to copy, or a study whose document is to be synchronized. */
export type Announcement = InstanceAnnouncement | { readonly kind: 'study'; readonly id: OrthancId };

export interface InstanceAnnouncement {
  readonly kind: 'instance';
  readonly id: InstanceId;
  readonly md5?: Md5 | undefined;
  readonly sizeBytes?: number | undefined;
}

export interface TickOptions {
  readonly source: Store;
  readonly feed: ChangeFeed;
  /** See {@link Schedule.sourceIdentity}. */
  readonly sourceIdentity: () => Promise<string | null>;
  readonly destinations: readonly Destination[];
  readonly document: ScheduleDocument;
  /** Keeps what the comparison does not find at the source; absent where nothing is to be done about it. */
  readonly gone?: GoneKeeper | undefined;
  /** Ids that the archive remembers as removed, see {@link PlanOptions.removed}. */
  readonly removed?: PlanOptions['removed'];
  /** Ids that did not come from the source, see {@link PlanOptions.imported}. */
  readonly imported?: PlanOptions['imported'];
  /** Tells which study documents differ somewhere; absent where only instances are mirrored. */
  readonly documents?: Pick<DocumentSync, 'announced' | 'differing'> | undefined;
  /** Records that the source has an instance again that was removed before. */
  readonly onReturned?: (id: InstanceId) => Promise<void>;
  /** Resolves when the queue acknowledged every announcement. */
  readonly send: (announcements: readonly Announcement[]) => Promise<void>;
  /** Runs `work` under the mirror's lease; `undefined` if another tick holds it. */
  readonly underLease: <Result>(work: () => Promise<Result>) => Promise<Result | undefined>;
  readonly now: () => Date;
  /** A complete comparison is due this long after the last one. */
  readonly compareEveryMs: number;
  /** Aborts at the deadline; what was acknowledged by then is kept. */
  readonly deadline: AbortSignal;
  /** What the schedule allows; absent: everything. */
  readonly openness?: Openness | undefined;
  /** Stores that are left alone for a while; absent: a store that is away fails the tick. */
  readonly pauses?: Pick<ReviewOptions, 'pause' | 'probeAfterMs' | 'graceMs' | 'sendTrial'> | undefined;
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
  /** Names of the stores that are left alone for now; `*` for a mirror that pauses as a whole. */
  readonly held: readonly string[];
  /** Whether the source was looked at, or was not because somebody paused the mirror; else it is held for an error. */
  readonly followed: boolean;
}

/** Announcements per send and save of the state while comparing. */
const batchSize = 500;
/** Compared ids after which the state is saved even if nothing differed. */
const saveEvery = 10_000;

/** Runs one tick. Throws a MirrorError when source, archive or queue failed; what was saved until then holds. */
export async function tick(options: TickOptions): Promise<TickReport> {
  return new Tick(options).run();
}

class Tick {
  readonly #options: TickOptions;
  #version: string | null = null;
  #announced = 0;
  #compared = 0;
  #conflicts = 0;
  #compareReason: string | undefined;
  #deletions: Deletions | undefined;
  #pauses: PauseReview;

  constructor(options: TickOptions) {
    this.#options = options;
    const served = options.destinations;
    this.#pauses = { standstill: undefined, served, held: [], back: [], mustCompare: false };
  }

  async run(): Promise<TickReport> {
    const { document, underLease, pauses, openness } = this.#options;
    if (openness?.closedUntil !== undefined) return this.#report((await document.read())?.value, false);
    if (pauses !== undefined) this.#pauses = await reviewPauses(this.#reviewOptions(pauses));
    const found = await document.read();
    this.#version = found?.version ?? null;
    if (this.#pauses.standstill !== undefined) return this.#report(found?.value, false);
    // A tick that finds nothing new writes nothing and needs no lease.
    if (found !== undefined && (await this.#nothingToDo(found.value))) return this.#report(found.value, false);
    const done = await underLease(() => this.#work(found?.value));
    return done === undefined ? this.#report(found?.value, true) : this.#report(done, false);
  }

  #report(schedule: Schedule | undefined, leaseHeld: boolean): TickReport {
    return {
      announced: this.#announced,
      compared: this.#compared,
      conflicts: this.#conflicts,
      deletions: this.#deletions,
      comparing: schedule !== undefined && schedule.inventory !== null,
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

  async #nothingToDo(schedule: Schedule): Promise<boolean> {
    const mustCompare = schedule.inventory !== null && this.#mayCompare();
    if (this.#pauses.back.length > 0 || mustCompare || (await this.#dueReason(schedule)) !== undefined) return false;
    const first = await followChanges(this.#options.feed, schedule.cursor, { signal: this.#options.deadline }).next();
    return first.done === true;
  }

  #mayCompare(): boolean {
    return this.#options.openness?.mayCompare ?? true;
  }

  /** Why a comparison must begin now, as far as the feed itself is not needed to tell. */
  async #dueReason({ sourceIdentity, comparedAt }: Schedule): Promise<string | undefined> {
    const { now, compareEveryMs } = this.#options;
    const identity = await this.#options.sourceIdentity();
    if (identity !== sourceIdentity) return 'the source is another database than before';
    if (comparedAt === null) return 'no comparison was completed yet';
    if (!this.#mayCompare()) return undefined;
    return now().getTime() - Date.parse(comparedAt) >= compareEveryMs ? 'the last comparison is too old' : undefined;
  }

  async #work(found: Schedule | undefined): Promise<Schedule> {
    let schedule = found ?? (await this.#begin('first run', null));
    try {
      const due = schedule.inventory === null ? await this.#dueReason(schedule) : undefined;
      if (due !== undefined) schedule = await this.#begin(due, schedule);
      schedule = await this.#letIn(schedule);
      schedule = await this.#follow(schedule);
      if (schedule.inventory !== null && this.#mayCompare()) schedule = await this.#compare(schedule);
    } catch (error) {
      if (!this.#options.deadline.aborted) throw error;
      if (isMirrorError(error, 'changed-meanwhile', 'lease-lost')) throw error;
    }
    return schedule;
  }

  /** Begins a comparison. The feed's position is taken first: what comes later is in the feed. */
  async #begin(reason: string, before: Schedule | null): Promise<Schedule> {
    const { feed, sourceIdentity, now, deadline } = this.#options;
    this.#compareReason = reason;
    const cursor = await cursorAtEnd(feed, { signal: deadline });
    return this.#save({
      version: 1,
      sourceIdentity: await sourceIdentity(),
      cursor,
      inventory: { after: null, startedAt: now().toISOString(), reason },
      comparedAt: before?.comparedAt ?? null,
    });
  }

  /** Stores that are back are used again; if they missed messages, the comparison that finds those is begun before. */
  async #letIn(schedule: Schedule): Promise<Schedule> {
    const { back, mustCompare } = this.#pauses;
    const { pauses } = this.#options;
    if (pauses === undefined || back.length === 0) return schedule;
    const next = mustCompare ? await this.#begin(`${back.join(', ')} can be used again`, schedule) : schedule;
    await letIn(pauses.pause, back);
    return next;
  }

  async #follow(start: Schedule): Promise<Schedule> {
    let schedule = start;
    for await (const step of followChanges(this.#options.feed, start.cursor, { signal: this.#options.deadline })) {
      if (step.kind === 'reset') return this.#begin(step.reason, schedule);
      const studies =
        (await this.#options.documents?.announced(step.changes, { signal: this.#options.deadline })) ?? [];
      await this.#announce([...newInstances(step.changes), ...studies.map(asStudy)]);
      schedule = await this.#save({ ...schedule, cursor: step.cursor });
    }
    return schedule;
  }

  /** Continues the comparison until its end or the deadline. */
  async #compare(start: Schedule): Promise<Schedule> {
    const { source, deadline, now, removed, imported } = this.#options;
    const destinations = await this.#comparable();
    if (destinations.length === 0) return start;
    // With a destination left out, what only that one holds is not seen: nothing can be said about deletions.
    const gone = destinations.length === this.#options.destinations.length ? this.#options.gone : undefined;
    let schedule = start;
    let part = emptyPart();
    const after = start.inventory?.after ?? undefined;
    await gone?.begin({ resume: after !== undefined });
    for await (const planned of planCopies(source, destinations, { after, removed, imported, signal: deadline })) {
      this.#compared += 1;
      if (planned.settled.some(({ kind }) => kind === 'conflict')) this.#conflicts += 1;
      if (planned.atSource && planned.markedRemoved) await this.#options.onReturned?.(planned.id);
      gone?.note(planned);
      addTo(part, planned);
      if (part.announcements.length < batchSize && part.ids < saveEvery) continue;
      schedule = await this.#settle(schedule, part, planned.id, gone);
      part = emptyPart();
      if (deadline.aborted) return schedule;
    }
    deadline.throwIfAborted();
    await this.#announce(part.announcements);
    const studies = (await this.#options.documents?.differing(this.#leftOut(destinations), { signal: deadline })) ?? [];
    await this.#announce(studies.map(asStudy));
    this.#deletions = await gone?.complete({ signal: deadline });
    if (this.#deletions?.kind === 'gone') this.#conflicts += this.#deletions.kept.length;
    return this.#save({ ...schedule, inventory: null, comparedAt: now().toISOString() });
  }

  #leftOut(compared: readonly Destination[]): ReadonlyMap<Destination, undefined> {
    const left = this.#options.destinations.filter((destination) => !compared.includes(destination));
    return new Map(left.map((destination) => [destination, undefined]));
  }

  /** The destinations that take part in the comparison. */
  async #comparable(): Promise<readonly Destination[]> {
    const { served } = this.#pauses;
    const { pauses } = this.#options;
    return pauses === undefined ? served : answering(served, this.#reviewOptions(pauses));
  }

  /** Puts a compared part on the queue and remembers that it was. */
  async #settle(
    schedule: Schedule,
    part: ComparedPart,
    after: InstanceId,
    gone: GoneKeeper | undefined,
  ): Promise<Schedule> {
    await this.#announce(part.announcements);
    await gone?.save();
    if (schedule.inventory === null) return schedule;
    return this.#save({ ...schedule, inventory: { ...schedule.inventory, after } });
  }

  async #announce(announcements: readonly Announcement[]): Promise<void> {
    if (announcements.length === 0) return;
    await this.#options.send(announcements);
    this.#announced += announcements.length;
  }

  async #save(schedule: Schedule): Promise<Schedule> {
    this.#version = await this.#options.document.write(schedule, this.#version);
    return schedule;
  }
}

function newInstances(changes: readonly Change[]): readonly Announcement[] {
  const ids = new Set(changes.filter(({ type }) => type === 'NewInstance').map(({ id }) => id));
  return [...ids].filter(isInstanceId).map((id) => ({ kind: 'instance', id }));
}

function asStudy(id: OrthancId): Announcement {
  return { kind: 'study', id };
}
