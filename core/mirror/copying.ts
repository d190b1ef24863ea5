/** Copies what a mirror run found, counts what became of it, and tells. */

import { type CopyContext, defaultBudget } from '../copy/copy-context.ts';
import { type CopyManyEnd, copyMany } from '../copy/copy-many.ts';
import { type CopyRequest, decide } from '../copy/decide.ts';
import type { CopyResult, Destination, Lost } from '../copy/outcome.ts';
import { type InstanceId, isInstanceId } from '../identifiers.ts';
import type { Change } from '../stores/change-feed.ts';
import { Confirmation } from './confirmation.ts';
import type { MirrorRun } from './mirror-run.ts';
import type { PlannedInstance } from './plan.ts';
import { SummaryCounter } from './summary.ts';

export interface CopyingOptions {
  /** How long to wait for a server that went away before it is given up. */
  readonly patienceMs: number;
  /** May change what became of an instance before it is counted. */
  readonly judge?: (result: CopyResult) => Promise<CopyResult>;
  /** Called instead of {@link Copying.report} with what became of an instance. */
  readonly onResult?: (result: CopyResult) => void;
  /** A store can be used no more. */
  readonly onLost?: (lost: Lost) => void;
}

export class Copying {
  readonly #run: MirrorRun;
  readonly #options: CopyingOptions;
  readonly #budget = defaultBudget();
  readonly counter: SummaryCounter;
  /** Is told of all that is counted. */
  readonly confirmation: Confirmation;

  constructor(run: MirrorRun, options: CopyingOptions) {
    this.#run = run;
    this.#options = options;
    this.counter = new SummaryCounter(run.destinations.map(({ store }) => store.name));
    this.confirmation = new Confirmation(run, this.counter);
  }

  /** What copying one instance by itself needs. */
  get context(): CopyContext {
    const { source, signal } = this.#run;
    return { source, signal, budget: this.#budget };
  }

  /** Copies everything that is requested. Throws what `requests` throws, after what runs has ended. */
  async copy(requests: AsyncIterable<CopyRequest>): Promise<CopyManyEnd> {
    const { dryRun = false, concurrency: ceiling, draining, clock } = this.#run;
    const { patienceMs, onLost } = this.#options;
    const onResult = (result: CopyResult) => this.#onResult(result);
    if (dryRun) {
      await this.#onlyDecide(requests);
      return { stoppedBy: undefined, withdrawn: new Map() };
    }
    const finish = (result: CopyResult) => this.#finished(result);
    return copyMany(requests, { ...this.context, ceiling, draining, clock, patienceMs, finish, onResult, onLost });
  }

  /** Tells of what is listed ahead of the copies, so that the size of the plan is known early. */
  readonly onListed = (planned: PlannedInstance | undefined): void => {
    const { observer } = this.#run;
    if (planned === undefined) observer?.onPlanComplete?.();
    else observer?.onCompared?.(planned.id);
    if (planned?.request !== undefined) observer?.onPlanned?.(planned.request);
  };

  /** @returns what is to be copied of an instance that was compared; what the listings decide is counted at once */
  async compared({ id, atSource, request, decided, onlyAt }: PlannedInstance): Promise<CopyRequest | undefined> {
    if (!atSource && onlyAt.length > 0) this.counter.addNotAtSource();
    if (!atSource || request !== undefined) return request;
    const result = { id, md5: undefined, sizeBytes: undefined, outcomes: decided };
    if (this.#run.dryRun === true) this.report(result);
    else this.#onResult(await this.#finished(result));
    return undefined;
  }

  /** @returns what is to be copied of what the feed announces */
  async announced(changes: readonly Change[], served: readonly Destination[]): Promise<readonly CopyRequest[]> {
    const { selects, signal, observer } = this.#run;
    const requests: CopyRequest[] = [];
    for (const id of new Set(changes.flatMap(({ type, id }) => (type === 'NewInstance' ? [id] : [])))) {
      if (!isInstanceId(id) || (await selects?.(id, { signal })) === false) continue;
      requests.push(requestFor(id, served));
      observer?.onPlanned?.(requestFor(id, served));
    }
    return requests;
  }

  /** Counts an instance and tells what became of it. */
  report(result: CopyResult): void {
    this.count(result);
    this.#run.observer?.onResult?.(result);
  }

  /** @param before how the instance was counted when it failed earlier */
  count(result: CopyResult, before?: CopyResult): void {
    if (before !== undefined) this.counter.remove(before);
    this.counter.add(result);
    this.confirmation.note(result);
    this.#run.sidecars?.note(result);
  }

  #onResult(result: CopyResult): void {
    if (this.#options.onResult === undefined) this.report(result);
    else this.#options.onResult(result);
  }

  async #finished(result: CopyResult): Promise<CopyResult> {
    const resolved = await this.#resolveConflicts(result);
    return (await this.#options.judge?.(resolved)) ?? resolved;
  }

  async #resolveConflicts(result: CopyResult): Promise<CopyResult> {
    if (!result.outcomes.some(({ kind }) => kind === 'conflict')) return result;
    return (await this.#run.resolveConflicts?.(result)) ?? result;
  }

  /** A dry run: asks as a copy would, and copies nothing. */
  async #onlyDecide(requests: AsyncIterable<CopyRequest>): Promise<void> {
    const { source, signal, draining } = this.#run;
    for await (const request of requests) {
      if (signal?.aborted === true || draining?.aborted === true) return;
      const { lacking, outcomes, md5, sizeBytes } = await decide(request, source, signal);
      const wouldCopy = lacking.map((destination) => ({ destination, kind: 'copied' }) as const);
      this.report({ id: request.id, md5, sizeBytes, outcomes: [...outcomes, ...wouldCopy] });
    }
  }
}

/** What is to be copied of an instance of which nothing is known but that it is new. */
export function requestFor(id: InstanceId, served: readonly Destination[]): CopyRequest {
  return { id, lacking: [], undecided: served };
}
