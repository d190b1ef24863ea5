/** One machine's mirror run: compares everything, copies what is missing, and what came meanwhile. */
import { evenClock } from '../clock.ts';
import type { CopyRequest } from '../copy/decide.ts';
import type { Destination } from '../copy/outcome.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { Change } from '../stores/change-feed.ts';
import type { Comparison } from './comparison.ts';
import { Copying } from './copying.ts';
import { type MirrorRun, type MirrorRunEnd, planAhead } from './mirror-run.ts';
import { whyAway } from './pause/store-away.ts';
import type { Progress } from './progress.ts';
import type { Deletions } from './record-removals.ts';
import { mirrorSteps } from './steps.ts';
import { Watch } from './watch.ts';

/** Runs a mirror. Outside errors end up in the result; what is thrown is a defect. */
export async function runMirror(run: MirrorRun): Promise<MirrorRunEnd> {
  return run.watch === undefined ? new OneRun(run).toEnd() : new Watch(run, run.watch).untilStopped();
}

const patienceMs = 60_000;

/** A run that ends. A destination that cannot be used is left out until then; the others are served. */
class OneRun {
  readonly #run: MirrorRun;
  readonly #copying: Copying;
  readonly #withdrawn = new Map<Destination, MirrorError>();
  #stoppedBy: MirrorError | undefined;
  /** Why the archive could not keep what a comparison found gone: that stops no data, and is told at the end. */
  #unrecorded: MirrorError | undefined;
  #progress: Progress | undefined;
  #listed: Comparison | undefined;
  #changes: Change[] = [];
  #deletions: Deletions | undefined;

  constructor(run: MirrorRun) {
    this.#run = run;
    this.#copying = new Copying(run, { patienceMs: run.patienceMs ?? patienceMs });
  }

  async toEnd(): Promise<MirrorRunEnd> {
    const { dryRun = false } = this.#run;
    await this.#attempt(() => this.#respectPauses());
    await this.#attempt(() => this.#withdrawUnreachable());
    await this.#attempt(() => this.#copy());
    await this.#attempt(() => this.#conclude());
    if (!dryRun) await this.#completeAll();
    return {
      summary: this.#copying.counter.summary(),
      stoppedBy: this.#stoppedBy,
      withdrawn: this.#withdrawn,
      interrupted: this.#isOver,
      deletions: this.#deletions,
    };
  }

  /** What follows the copying of all that the comparison found. */
  async #completeAll(): Promise<void> {
    const { sidecars, afterCopying, feed, signal } = this.#run;
    await this.#attempt(async () => this.#leaveOut(await sidecars?.reconcile(this.#withdrawn, { signal })));
    this.#leaveOutUnrecorded();
    await this.#attempt(async () => (this.#withdrawn.size === 0 ? afterCopying?.() : undefined));
    if (feed !== undefined) await this.#attempt(() => this.#copy());
    await this.#attempt(async () => this.#leaveOut(await sidecars?.follow(this.#changes, this.#withdrawn, { signal })));
    await this.#attempt(() => this.#copying.confirmation.confirm(this.#served, { signal }));
  }

  #leaveOut(failures: ReadonlyMap<Destination, MirrorError> = new Map()): void {
    for (const [destination, error] of failures) {
      if (!this.#withdrawn.has(destination)) this.#withdrawn.set(destination, error);
    }
  }

  #leaveOutUnrecorded(): void {
    const archive = this.#served.find(({ role }) => role === 'archive');
    if (archive !== undefined && this.#unrecorded !== undefined) this.#withdrawn.set(archive, this.#unrecorded);
  }

  /** Does a part of the work; without a destination that fails it as a whole, if one does. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    while (!this.#isDone) {
      try {
        await work();
        return;
      } catch (error) {
        if (!isMirrorError(error)) {
          if (this.#isOver) return;
          throw error;
        }
        const failed = this.#served.find(({ store }) => store.name === error.store);
        if (failed === undefined) this.#stoppedBy ??= error;
        else this.#withdrawn.set(failed, error);
      }
    }
  }

  /** Pauses what somebody wants to be paused: the whole mirror, or single destinations. */
  async #respectPauses(): Promise<void> {
    const paused = await this.#run.paused?.();
    this.#stoppedBy = paused?.();
    for (const destination of this.#served) {
      const reason = paused?.(destination);
      if (reason !== undefined) this.#withdrawn.set(destination, reason);
    }
  }

  /** A destination that does not answer at the start is left out; a source that does not ends the run. */
  async #withdrawUnreachable(): Promise<void> {
    const { source, signal } = this.#run;
    this.#stoppedBy ??= await whyAway(source, { signal });
    if (this.#isDone) return;
    await Promise.all(
      this.#served.map(async (destination) => {
        const reason = await whyAway(destination.store, { signal });
        if (reason !== undefined) this.#withdrawn.set(destination, reason);
      }),
    );
  }

  /** Takes the steps that are left: at first the comparison, then what the feed tells. */
  async #copy(): Promise<void> {
    const { stoppedBy, withdrawn } = await this.#copying.copy(this.#requests());
    this.#stoppedBy ??= stoppedBy;
    this.#leaveOut(withdrawn);
  }

  async *#requests(): AsyncGenerator<CopyRequest> {
    const { dryRun, signal } = this.#run;
    const steps = mirrorSteps(this.#progress, {
      ...this.#run,
      served: this.#served,
      clock: this.#run.clock ?? evenClock,
      ahead: planAhead,
      compareEveryMs: Number.POSITIVE_INFINITY,
      onListed: this.#copying.onListed,
      onUnrecorded: (error) => {
        this.#unrecorded ??= error;
      },
      onUnlisted: async (destination, error) => {
        this.#withdrawn.set(destination, error);
        return 'left-out';
      },
    });
    for await (const step of steps) {
      this.#progress = step.progress;
      switch (step.kind) {
        case 'begun':
          if (dryRun !== true) await this.#copying.confirmation.begin(step.progress.cursor, this.#served, { signal });
          break;
        case 'changes':
          this.#changes.push(...step.changes);
          yield* await this.#copying.announced(step.changes, this.#served);
          break;
        case 'compared': {
          const request = await this.#copying.compared(step.planned);
          if (request !== undefined) yield request;
          break;
        }
        case 'listed':
          this.#listed = step.comparison;
          return;
      }
    }
  }

  async #conclude(): Promise<void> {
    this.#deletions = await this.#listed?.conclude(this.#served, { signal: this.#run.signal });
  }

  get #served(): readonly Destination[] {
    return this.#run.destinations.filter((destination) => !this.#withdrawn.has(destination));
  }

  get #isOver(): boolean {
    return this.#run.signal?.aborted === true || this.#run.draining?.aborted === true;
  }

  get #isDone(): boolean {
    return this.#isOver || this.#stoppedBy !== undefined || this.#served.length === 0;
  }
}
