/** Puts what the steps of a mirror find on a queue, and saves the progress only after the queue acknowledged. */
import type { Clock } from '../clock.ts';
import type { Destination } from '../copy/outcome.ts';
import type { MirrorError } from '../errors.ts';
import { type InstanceId, isInstanceId, type OrthancId } from '../identifiers.ts';
import type { Change } from '../stores/change-feed.ts';
import type { Age, Backlog } from './backlog.ts';
import type { Comparison } from './comparison.ts';
import type { PlannedInstance } from './plan.ts';
import type { Progress, ProgressDocument } from './progress.ts';
import type { Deletions } from './record-removals.ts';
import type { DifferingPart, SidecarSync } from './sidecar-sync.ts';
import type { MirrorStep } from './steps.ts';

/** What a queue message names: an instance to copy, or a study whose document is to be synchronized. */
export type Announcement = InstanceAnnouncement | { readonly kind: 'study'; readonly id: OrthancId };

/** Carries no hash: a message is believed in nothing but where to look. */
export interface InstanceAnnouncement {
  readonly kind: 'instance';
  readonly id: InstanceId;
  readonly sizeBytes?: number | undefined;
}

export interface AnnouncingOptions {
  readonly document: ProgressDocument;
  /** Tells which sidecars differ somewhere; absent where only instances are mirrored. */
  readonly sidecars?: Pick<SidecarSync, 'announced' | 'differingParts'> | undefined;
  /** Resolves when the queue acknowledged every announcement. */
  readonly send: (announcements: readonly Announcement[], age: Age) => Promise<void>;
  /** Bounds what is announced; absent: the queue takes everything. */
  readonly backlog?: Backlog | undefined;
  readonly destinations: readonly Destination[];
  readonly clock: Clock;
  /** Aborts when the time is over. */
  readonly deadline: AbortSignal;
}

/** Announcements per send and save of the progress while comparing. */
const batchSize = 500;
/** Compared ids after which the progress is saved even if nothing differed. */
const saveEvery = 10_000;
/** Sidecars are compared for so long before what is new is looked for again. */
const sidecarsForMs = 60_000;
/** The progress is saved this often at least, so that no slice ends without any. */
const saveEveryMs = 10_000;

export class Announcing {
  readonly #options: AnnouncingOptions & { readonly served: () => readonly Destination[] };
  saved: Progress | undefined;
  announced = 0;
  compared = 0;
  conflicts = 0;
  /** Why a comparison was begun, if one was. */
  compareReason: string | undefined;
  deletions: Deletions | undefined;
  /** The queue takes no more of what is old: the comparison goes on from what was saved, when there is room. */
  isFull = false;
  /** More came than the queue takes, and was not announced. */
  isOverrun = false;
  /** The comparison of sidecars stopped for a look at what is new, and goes on after it. */
  isInterrupted = false;
  /** Whether anything was saved: a slice that ends without that begins at the same place for ever. */
  hasSaved = false;
  #version: string | null = null;
  #savedAtMs: number;
  /** What was compared since the progress was saved, and by which comparison. */
  #part: ComparedPart = nothingCompared();
  #comparison: Comparison | undefined;

  /** @param served the destinations that can be used now */
  constructor(options: AnnouncingOptions, served: () => readonly Destination[]) {
    this.#options = { ...options, served };
    this.#savedAtMs = options.clock.nowMs();
  }

  /** Reads the progress that was saved before; to be called first. */
  async read(): Promise<Progress | undefined> {
    const found = await this.#options.document.read();
    this.#version = found?.version ?? null;
    this.saved = found?.value;
    return this.saved;
  }

  async take(step: MirrorStep): Promise<void> {
    switch (step.kind) {
      case 'begun':
        this.compareReason = step.reason;
        this.#part = nothingCompared();
        await this.save(step.progress);
        break;
      case 'changes':
        // What is new goes first; what was compared until now goes with it, so that the progress holds for both.
        if (!(await this.#announceChanges(step))) break;
        if (await this.#isRoomForPart()) {
          await this.finishPart();
          await this.save(step.progress);
        } else {
          await this.save({ ...step.progress, comparison: this.saved?.comparison ?? step.progress.comparison });
        }
        break;
      case 'compared':
        this.#comparison = step.comparison;
        this.#note(step.planned);
        if (!this.#isTimeToSave() || !(await this.#isRoomForPart())) break;
        await this.finishPart();
        await this.save(step.progress);
        break;
      case 'listed':
        if (!(await this.#isRoomForPart())) break;
        await this.#announce(this.#part.announcements, 'old');
        this.#part = nothingCompared();
        if (!(await this.#compareSidecars(step))) break;
        this.deletions = await step.comparison.conclude(this.#options.served(), { signal: this.#options.deadline });
        if (this.deletions?.kind === 'gone') this.conflicts += this.deletions.kept.length;
        // Completed now, not when the ids were.
        await this.save({ ...step.progress, comparedAt: new Date(this.#options.clock.nowMs()).toISOString() });
    }
  }

  /** @returns whether all were compared; else the progress says where to go on, after a look at what is new. */
  async #compareSidecars({ comparison, progress: { cursor } }: MirrorStep & { kind: 'listed' }): Promise<boolean> {
    const { clock } = this.#options;
    const beganAtMs = clock.nowMs();
    const { sidecarsAfter } = comparison.progress;
    for await (const { studies, through } of this.#differing(sidecarsAfter)) {
      if (!(await this.#isRoomFor(studies.length, 'old'))) return false;
      await this.#announce(studies.map(asStudy), 'old');
      if (through === null) return true;
      if (this.saved?.comparison?.listed !== true) await comparison.save();
      const before = this.saved;
      if (before === undefined) throw new Error('sidecars are compared before anything was saved');
      await this.save({
        ...before,
        cursor,
        comparison: { ...comparison.progress, listed: true, sidecarsAfter: through },
      });
      this.isInterrupted = clock.nowMs() - beganAtMs >= sidecarsForMs;
      if (this.isInterrupted) return false;
    }
    return true;
  }

  #note(planned: PlannedInstance): void {
    this.compared += 1;
    if (planned.decided.some(({ kind }) => kind === 'conflict')) this.conflicts += 1;
    this.#part.ids += 1;
    if (planned.request === undefined) return;
    const { id, sizeBytes } = planned.request;
    this.#part.announcements.push({ kind: 'instance', id, sizeBytes });
  }

  #isTimeToSave(): boolean {
    const { ids, announcements } = this.#part;
    const elapsedMs = this.#options.clock.nowMs() - this.#savedAtMs;
    return announcements.length >= batchSize || ids >= saveEvery || elapsedMs >= saveEveryMs;
  }

  /** Puts what was compared on the queue. */
  async finishPart(): Promise<void> {
    if (this.#part.ids === 0) return;
    await this.#announce(this.#part.announcements, 'old');
    await this.#comparison?.save();
    this.#part = nothingCompared();
  }

  /** @returns whether there was room for them */
  async #announceChanges({ changes, following }: MirrorStep & { kind: 'changes' }): Promise<boolean> {
    const announcements = await this.#toAnnounce(changes);
    const age = ageOf(following);
    this.isOverrun = !(await this.#isRoomFor(announcements.length, age));
    if (!this.isOverrun) await this.#announce(announcements, age);
    return !this.isOverrun;
  }

  #isRoomForPart(): Promise<boolean> {
    return this.#isRoomFor(this.#part.announcements.length, 'old');
  }

  async #isRoomFor(count: number, age: Age): Promise<boolean> {
    const { backlog } = this.#options;
    this.isFull = count > 0 && backlog !== undefined && !(await backlog.takes(count, age));
    return !this.isFull;
  }

  async #toAnnounce(changes: readonly Change[]): Promise<readonly Announcement[]> {
    const { sidecars, deadline } = this.#options;
    const studies = (await sidecars?.announced(changes, { signal: deadline })) ?? [];
    return [...newInstances(changes), ...studies.map(asStudy)];
  }

  /** Studies whose sidecars differ at a destination whose sidecars can be listed. */
  async *#differing(after: OrthancId | null): AsyncGenerator<DifferingPart> {
    const { sidecars, destinations, deadline } = this.#options;
    const served = this.#options.served();
    const left = destinations.filter((destination) => !served.includes(destination));
    const withdrawn = new Map(left.map((destination) => [destination, undefined]));
    const onFailure = ({ role }: Destination, error: MirrorError) => {
      if (role === 'archive') throw error;
    };
    if (sidecars !== undefined) yield* sidecars.differingParts(withdrawn, { after, onFailure, signal: deadline });
  }

  async #announce(announcements: readonly Announcement[], age: Age): Promise<void> {
    if (announcements.length === 0) return;
    const { send, backlog } = this.#options;
    await send(announcements, age);
    backlog?.sent(announcements.length, age);
    this.announced += announcements.length;
  }

  async save(progress: Progress): Promise<void> {
    this.#version = await this.#options.document.write(progress, this.#version);
    this.saved = progress;
    this.hasSaved = true;
    this.#savedAtMs = this.#options.clock.nowMs();
  }
}

/** What so many entries of the feed follow came during an outage: it must not keep waiting what comes now. */
const mostFollowing = 5000;

function ageOf(following = 0): Age {
  return following > mostFollowing ? 'old' : 'new';
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
