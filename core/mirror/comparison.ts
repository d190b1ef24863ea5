/** One comparison of the inventories, from where it stands to its end, and what may be concluded from it. */

import type { CallOptions } from '../call-options.ts';
import type { Destination } from '../copy/outcome.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { Store } from '../stores/store.ts';
import { type PlannedInstance, planCopies } from './plan.ts';
import type { ComparisonProgress } from './progress.ts';
import type { Deletions, RemovalRecorder } from './record-removals.ts';
import type { SourceProof } from './source-proof.ts';

/** What takes note of what a comparison finds, beside the copying; each may be absent. All of it lies in the archive. */
export interface ComparisonNotes {
  /** Keeps what is not found at the source. */
  readonly gone?: RemovalRecorder | undefined;
  /** Holds the mirror to the source that the archive belongs to. */
  readonly sourceProof?: Pick<SourceProof, 'verify' | 'remember'> | undefined;
}

export interface ComparisonOptions extends ComparisonNotes {
  readonly source: Store;
  /** All destinations of the mirror. */
  readonly destinations: readonly Destination[];
  /** Those that can be used. */
  readonly served: readonly Destination[];
  /** Nothing is to be written. */
  readonly dryRun?: boolean | undefined;
  /**
   * Is told that the archive cannot keep what is noted: that stops no data, and nothing is said about deletions then.
   * Absent: it is thrown.
   */
  readonly onUnrecorded?: ((error: MirrorError) => void | Promise<void>) | undefined;
  /** Told of each instance as soon as it is listed, and of the end of the list. */
  readonly onListed?: ((planned: PlannedInstance | undefined) => void) | undefined;
}

export class Comparison {
  readonly #options: ComparisonOptions;
  readonly #compared: readonly Destination[];
  #progress: ComparisonProgress;
  /** Something was to be noted, and could not be. */
  #isUnrecorded = false;

  constructor(from: ComparisonProgress, options: ComparisonOptions) {
    this.#options = options;
    const { destinations, served } = options;
    this.#compared = served.filter(({ store }) => !from.unlisted.includes(store.name));
    const missing = destinations.filter((one) => !this.#compared.includes(one)).map(({ store }) => store.name);
    this.#progress = { ...from, leftOut: [...new Set([...from.leftOut, ...missing])] };
  }

  /** The destinations that take part. */
  get compared(): readonly Destination[] {
    return this.#compared;
  }

  /** How far it is, as far as {@link take} was called. */
  get progress(): ComparisonProgress {
    return this.#progress;
  }

  /** To be called before anything else. */
  async begin(): Promise<void> {
    await this.#recorded(async () => this.#gone?.begin({ resume: this.#progress.after !== null }));
  }

  /** Lists what there is to be taken. */
  async *plan({ signal }: CallOptions): AsyncGenerator<PlannedInstance> {
    const { source, onListed } = this.#options;
    const { listed, startedAt } = this.#progress;
    const after = this.#progress.after ?? undefined;
    const listedSinceMs = Date.parse(startedAt);
    const left = listed ? [] : planCopies(source, this.#compared, { after, listedSinceMs, signal });
    for await (const planned of left) {
      onListed?.(planned);
      yield planned;
    }
    onListed?.(undefined);
  }

  /** Takes note of an instance; in the order of {@link plan}. */
  take(planned: PlannedInstance): void {
    this.#gone?.note(planned);
    this.#progress = { ...this.#progress, after: planned.id };
  }

  /** Saves what was noted, so that another process can go on. */
  async save(): Promise<void> {
    await this.#recorded(async () => this.#gone?.save());
  }

  /**
   * Draws the conclusions, after everything was taken.
   * @param served the destinations that can still be used
   * @returns what is to be said of deletions at the source, if anything is
   */
  async conclude(served: readonly Destination[], { signal }: CallOptions): Promise<Deletions | undefined> {
    const { dryRun = false, destinations, sourceProof } = this.#options;
    if (served.some(({ role }) => role === 'archive')) await sourceProof?.remember({ signal });
    if (served.length < destinations.length) return undefined;
    return this.#recorded(async () => this.#gone?.complete({ signal, dryRun }));
  }

  /** Reads or writes what is noted. */
  async #recorded<Result>(work: () => Promise<Result | undefined>): Promise<Result | undefined> {
    try {
      return await work();
    } catch (error) {
      const { onUnrecorded } = this.#options;
      if (!isMirrorError(error) || onUnrecorded === undefined) throw error;
      this.#isUnrecorded = true;
      await onUnrecorded(error);
      return undefined;
    }
  }

  /** With a destination left out, what only that one holds was not seen: nothing is said about what is gone. */
  get #gone(): RemovalRecorder | undefined {
    return this.#progress.leftOut.length === 0 && !this.#isUnrecorded ? this.#options.gone : undefined;
  }
}
