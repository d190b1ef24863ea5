/**
 * A hospital whose mirror runs in the cloud: the real ticks of the scheduler, every minute of simulated time, against servers
 * and a bucket that take the time that real ones take. The functions that copy, and the comparison of sidecars, are rates.
 */

import type { Destination } from '../../../core/copy/outcome.ts';
import { MirrorError } from '../../../core/errors.ts';
import type { OrthancId } from '../../../core/identifiers.ts';
import type { Announcement } from '../../../core/mirror/announcing.ts';
import { Backlog } from '../../../core/mirror/backlog.ts';
import { rememberInventories, removalPartsOf, sourceProofOf } from '../../../core/mirror/parts.ts';
import { pauseBeside } from '../../../core/mirror/pause/pause.ts';
import { holdDestination } from '../../../core/mirror/pause/review-pauses.ts';
import { progressBeside } from '../../../core/mirror/progress.ts';
import type { DifferingPart } from '../../../core/mirror/sidecar-sync.ts';
import { type TickOptions, type TickReport, tick } from '../../../core/mirror/tick.ts';
import { type Archive, openArchive } from '../../../core/stores/archive/archive.ts';
import { Lease, underLease } from '../../../core/stores/archive/lease.ts';
import { usualSizes } from '../../../core/stores/orthanc/inventory-remembered.ts';
import { type OrthancStore, orthancStoreOf } from '../../../core/stores/orthanc/orthanc-store.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import { HospitalBucket } from './hospital-bucket.ts';
import { HospitalInstances } from './hospital-instances.ts';
import { HospitalServer } from './hospital-server.ts';

export const minuteMs = 60_000;
export const dayMs = 24 * 60 * minuteMs;
/** Time that a function leaves between the end of its work and its own end. */
const marginMs = 8000;
/** A part of a comparison of sidecars, and what it takes: a listing of each study at the server, most of it. */
const instancesOfPart = 50 * 333;
const studyEachInstanceMs = 0.34;
/** Adding to a queue, for each batch of ten. */
const sendBatchMs = 2;
/** Copying one, from the moment when a function takes it. */
const copyMs = 2000;

export interface HospitalOptions {
  /** Instances that the source holds at the begin, and that arrive on a day. */
  readonly instances: number;
  readonly perDay: number;
  readonly studies: number;
  /** Days of which there may be arrivals. */
  readonly days: number;
  /** Each instance stands for so many real ones; the numbers above are of real ones. */
  readonly scale: number;
  readonly requestMs: number;
  /** Time of the scheduler function. */
  readonly timeoutSeconds: number;
  /** Real instances that are copied in a second: of what is new, and of the backlog. */
  readonly copiesPerSecond: { readonly new: number; readonly old: number };
  readonly backlogMessages: number;
  /** Whether archive and target hold everything already. */
  readonly isMirrored: boolean;
  readonly askAgainDays?: number;
  /** Minutes from one tick to the next. */
  readonly everyMinutes?: number;
}

export interface Slice {
  readonly atMs: number;
  readonly tookMs: number;
  readonly report: TickReport | undefined;
  /** Why it failed. */
  readonly error: unknown;
}

interface Lane {
  readonly waiting: { readonly n: number; readonly arrivedAtMs: number }[];
  done: number;
  freeAtMs: number;
  readonly eachMs: number;
}

interface Stores {
  readonly source: OrthancStore;
  readonly archive: Archive;
  readonly destinations: readonly Destination[];
}

function leftOf({ waiting, done }: Lane): number {
  return waiting.length - done;
}

export class Hospital {
  readonly time = new SimulatedClock('2026-11-23T00:00:00Z');
  readonly source: HospitalServer;
  readonly target: HospitalServer;
  readonly bucket: HospitalBucket;
  readonly slices: Slice[] = [];
  /** When complete comparisons ended. */
  readonly comparedAtMs: number[] = [];
  /** The longest that a new instance was on its way, and the longest queue of what is old or new, in real messages. */
  slowestArrivalMs = 0;
  longestBacklog = 0;
  sentMessages = 0;
  invocations = 0;
  schedulerMs = 0;
  copied = 0;
  readonly #options: HospitalOptions;
  readonly #instances: HospitalInstances;
  readonly #arrivals = new Map<number, number>();
  #arrived: number;
  #nextArrivalMs: number;
  #arrivesEveryMs = Number.POSITIVE_INFINITY;
  readonly #lanes: { readonly new: Lane; readonly old: Lane };
  #stores: Stores | undefined;
  #lastCompared: string | null = null;

  constructor(options: HospitalOptions) {
    this.#options = options;
    const { instances, perDay, days, studies, scale, requestMs, copiesPerSecond, isMirrored } = options;
    const begin = Math.round(instances / scale);
    const { time } = this;
    this.#instances = new HospitalInstances({ capacity: begin + Math.ceil((perDay * days) / scale) + 1, studies });
    this.source = new HospitalServer({ name: 'source', time, instances: this.#instances, scale });
    this.target = new HospitalServer({ name: 'target', time, instances: this.#instances, scale });
    this.bucket = new HospitalBucket({ time, instances: this.#instances, scale, requestMs });
    for (let n = 0; n < begin; n += 1) {
      this.source.add(n);
      if (isMirrored) this.#store(n);
    }
    for (const server of [this.source, this.target]) server.beforeAnswer = () => this.#advance();
    this.#arrived = begin;
    this.#nextArrivalMs = Number.POSITIVE_INFINITY;
    const lane = (eachMs: number): Lane => ({ waiting: [], done: 0, freeAtMs: 0, eachMs });
    // What arrives is spread over the day: it does not come by so many at once.
    this.#lanes = { new: lane(1000 / copiesPerSecond.new), old: lane((1000 * scale) / copiesPerSecond.old) };
  }

  /** Real messages of what is old that wait or are worked on. */
  get backlog(): number {
    return leftOf(this.#lanes.old) * this.#options.scale;
  }

  /** Real instances that a destination still lacks. */
  get missing(): { readonly archive: number; readonly target: number } {
    const lacking = { archive: 0, target: 0 };
    for (let n = 0; n < this.#arrived; n += 1) {
      if (!this.bucket.holds(n)) lacking.archive += this.#options.scale;
      if (!this.target.holds(n)) lacking.target += this.#options.scale;
    }
    return lacking;
  }

  /** From now on as many instances arrive as on a usual day, around the clock. */
  beginArrivals(): void {
    this.#arrivesEveryMs = (dayMs * this.#options.scale) / this.#options.perDay;
    this.#nextArrivalMs = this.time.nowMs() + this.#arrivesEveryMs;
  }

  /** Nothing reaches the target; the mirror leaves it out. */
  async beginOutage(): Promise<void> {
    this.target.isAway = true;
    const { destinations } = await this.time.during(this.#open());
    const target = destinations.find(({ role }) => role === 'target');
    if (target === undefined) throw new Error('there is no target');
    const error = new MirrorError('unreachable', 'the target is away', { store: 'target' });
    const options = { ...(await this.#pauses()), ...(await this.#open()) };
    await this.time.during(holdDestination(target, error, options));
  }

  /** Lets days pass; a tick begins whenever it is time for one and none is at work. */
  async pass(days: number): Promise<void> {
    const untilMs = this.time.nowMs() + days * dayMs;
    const everyMs = (this.#options.everyMinutes ?? 1) * minuteMs;
    while (this.time.nowMs() < untilMs) {
      await this.tick();
      this.time.jump(Math.ceil((this.time.nowMs() + 1) / everyMs) * everyMs);
      this.#advance();
    }
  }

  /** Ticks until a complete comparison ends. */
  async compareOnce(mostDays: number): Promise<void> {
    const before = this.comparedAtMs.length;
    const untilMs = this.time.nowMs() + mostDays * dayMs;
    while (this.comparedAtMs.length === before && this.time.nowMs() < untilMs) await this.pass(minuteMs / dayMs);
  }

  /** One invocation of the scheduler. */
  async tick(): Promise<void> {
    const atMs = this.time.nowMs();
    const [deadline, ended] = [new AbortController(), new AbortController()];
    const over = this.time.wait(this.#options.timeoutSeconds * 1000 - marginMs, ended.signal).then(() => {
      if (ended.signal.aborted) return;
      deadline.abort(new MirrorError('deadline', 'The time of the function was over before the work was done.'));
    });
    const outcome = await this.time
      .during(this.#tick(deadline.signal))
      .then((report) => ({ report, error: undefined }))
      .catch((error: unknown) => ({ report: undefined, error }));
    ended.abort();
    await over;
    const tookMs = this.time.nowMs() - atMs;
    this.invocations += 1;
    this.schedulerMs += tookMs;
    this.slices.push({ atMs, tookMs, ...outcome });
  }

  async #tick(deadline: AbortSignal): Promise<TickReport> {
    const { source, archive, destinations } = await this.#open();
    const { time, bucket } = this;
    const { scale, backlogMessages, timeoutSeconds, askAgainDays = 30 } = this.#options;
    const now = () => new Date(time.nowMs());
    let hasPutAway = false;
    const inSlices = {
      onPutAway: () => {
        hasPutAway = true;
      },
    };
    rememberInventories({ source, destinations }, { days: askAgainDays, now, inSlices });
    const policy = {
      propagate: false,
      limits: { maxCount: Math.floor(1000 / scale), maxPercent: 1, graceMs: dayMs },
      now,
    };
    const progress = progressBeside(archive.objects);
    const options: TickOptions = {
      source,
      feed: source,
      sourceIdentity: async () => 'hospital',
      destinations,
      sourceProof: sourceProofOf({ source, destinations }),
      document: {
        read: (call) => progress.read(call),
        write: (value, version, call) => {
          if (value.comparedAt !== null && value.comparedAt !== this.#lastCompared) {
            this.#lastCompared = value.comparedAt;
            this.comparedAtMs.push(Date.parse(value.comparedAt));
          }
          return progress.write(value, version, call);
        },
      },
      sidecars: { announced: async () => [], differingParts: (_, { after, signal }) => this.#sidecars(after, signal) },
      ...removalPartsOf({ source, destinations }, policy),
      send: (announcements, age) => this.#send(announcements, age),
      backlog: new Backlog({
        most: backlogMessages / scale,
        left: async (age) => {
          await time.wait(10);
          this.#advance();
          return leftOf(this.#lanes[age]);
        },
      }),
      underLease: (work) =>
        underLease(
          new Lease(bucket, 'lease', () => time.nowMs()),
          { ttlMs: timeoutSeconds * 1000 + 10_000, owner: `${this.invocations}` },
          work,
        ),
      hasPutAway: () => hasPutAway,
      clock: time,
      compareEveryMs: dayMs,
      deadline,
      pauses: await this.#pauses(),
    };
    return tick(options);
  }

  async #pauses(): Promise<NonNullable<TickOptions['pauses']>> {
    const pause = pauseBeside(this.bucket, () => new Date(this.time.nowMs()));
    return { pause, probeAfterMs: minuteMs, graceMs: 30 * minuteMs, random: () => 0.5, tryOut: async () => 'passed' };
  }

  async #open(): Promise<Stores> {
    if (this.#stores !== undefined) return this.#stores;
    const { scale } = this.#options;
    const sizes = {
      pageRows: Math.ceil(usualSizes.pageRows / scale),
      rowsInMemory: 1_000_000 / scale,
    };
    const source = orthancStoreOf(this.source.client, sizes);
    const target = orthancStoreOf(this.target.client, sizes);
    const archive = await openArchive(this.bucket, {
      writer: 'scheduler',
      now: () => new Date(this.time.nowMs()),
      createFor: { name: 'source', serverIdentifier: 'hospital' },
    });
    const destinations: readonly Destination[] = [
      { role: 'archive', store: archive },
      { role: 'target', store: target },
    ];
    this.#stores = { source, archive, destinations };
    return this.#stores;
  }

  async #send(announcements: readonly Announcement[], age: 'new' | 'old'): Promise<void> {
    const { time } = this;
    const { scale } = this.#options;
    await time.wait(Math.ceil((announcements.length * scale) / 10) * sendBatchMs);
    this.#advance();
    this.sentMessages += announcements.length * scale;
    for (const one of announcements) {
      if (one.kind !== 'instance') continue;
      const n = this.#instances.numberOf(one.id);
      const lane = this.#lanes[age];
      if (lane.waiting.length === lane.done) lane.freeAtMs = Math.max(lane.freeAtMs, time.nowMs());
      lane.waiting.push({ n, arrivedAtMs: this.#arrivals.get(n) ?? 0 });
    }
    const longest = Math.max(leftOf(this.#lanes.old), leftOf(this.#lanes.new)) * scale;
    this.longestBacklog = Math.max(this.longestBacklog, longest);
  }

  async *#sidecars(after: OrthancId | null, signal: AbortSignal | undefined): AsyncGenerator<DifferingPart> {
    const { time } = this;
    const ids = this.#instances.studies.toSorted();
    let from = after === null ? 0 : ids.findIndex((id) => id > after);
    if (from < 0) from = ids.length;
    const perStudy = this.#options.instances / ids.length;
    const studiesOfPart = Math.max(1, Math.round(instancesOfPart / perStudy));
    const eachMs = studyEachInstanceMs * perStudy;
    for (;;) {
      const part = ids.slice(from, from + studiesOfPart);
      from += studiesOfPart;
      await time.wait(part.length * eachMs, signal);
      signal?.throwIfAborted();
      this.bucket.requests.list += 2;
      this.bucket.requests.get += 2 * part.length;
      const through = from >= ids.length ? null : (part.at(-1) ?? null);
      yield { studies: [], through };
      if (through === null) return;
    }
  }

  /** Lets arrive what has arrived, and copies what was copied until now. */
  #advance(): void {
    const nowMs = this.time.nowMs();
    while (this.#nextArrivalMs <= nowMs && this.#arrived < this.#instances.capacity) {
      this.source.add(this.#arrived);
      this.#arrivals.set(this.#arrived, this.#nextArrivalMs);
      this.#arrived += 1;
      this.#nextArrivalMs += this.#arrivesEveryMs;
    }
    for (const [age, lane] of Object.entries(this.#lanes)) this.#work(lane, age === 'new', nowMs);
  }

  #work(lane: Lane, isNew: boolean, nowMs: number): void {
    while (lane.done < lane.waiting.length && lane.freeAtMs + lane.eachMs <= nowMs) {
      lane.freeAtMs += lane.eachMs;
      const one = lane.waiting[lane.done];
      lane.done += 1;
      if (one === undefined) continue;
      this.#store(one.n);
      this.copied += this.#options.scale;
      if (isNew && one.arrivedAtMs > 0) {
        this.slowestArrivalMs = Math.max(this.slowestArrivalMs, lane.freeAtMs + copyMs - one.arrivedAtMs);
      }
    }
    if (lane.done > 100_000) {
      lane.waiting.splice(0, lane.done);
      lane.done = 0;
    }
  }

  #store(n: number): void {
    this.bucket.archive(n);
    if (!this.target.isAway) this.target.add(n);
  }
}
