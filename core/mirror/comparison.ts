/** One comparison of the inventories, from where it stands to its end, and what may be concluded from it. */
import { type PlannedInstance, type PlanOptions, planCopies } from '../compare/plan.ts';
import type { Destination } from '../copy/outcome.ts';
import type { Deletions, GoneKeeper } from '../deletions/gone-keeper.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { CallOptions, Store } from '../stores/store.ts';
import type { ComparisonProgress } from './progress.ts';

/** What takes note of what a comparison finds, beside the copying; each may be absent. All of it lies in the archive. */
export interface ComparisonNotes {
  /** Keeps what is not found at the source. */
  readonly gone?: GoneKeeper | undefined;
  /** See {@link PlanOptions.removed}. */
  readonly removed?: PlanOptions['removed'];
  /** See {@link PlanOptions.imported}. */
  readonly imported?: PlanOptions['imported'];
  /** Records that the source has an instance again that was removed before. */
  readonly onReturned?: ((id: InstanceId) => Promise<void>) | undefined;
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
    const { source, removed, imported, onListed } = this.#options;
    const after = this.#progress.after ?? undefined;
    const notes = this.#hasArchive ? { removed, imported } : {};
    for await (const planned of planCopies(source, this.#compared, { after, signal, ...notes })) {
      onListed?.(planned);
      yield planned;
    }
    onListed?.(undefined);
  }

  /** Takes note of an instance; in the order of {@link plan}. */
  async take(planned: PlannedInstance): Promise<void> {
    const { onReturned, dryRun = false } = this.#options;
    this.#gone?.note(planned);
    if (planned.atSource && planned.markedRemoved && !dryRun) {
      await this.#recorded(async () => onReturned?.(planned.id));
    }
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
    const { dryRun = false, destinations } = this.#options;
    if (served.length < destinations.length) return undefined;
    return this.#recorded(async () => this.#gone?.complete({ signal, dryRun }));
  }

  /** Reads or writes what is noted. */
  async #recorded<Result>(work: () => Promise<Result | undefined>): Promise<Result | undefined> {
    if (this.#isUnrecorded) return undefined;
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
  get #gone(): GoneKeeper | undefined {
    return this.#progress.leftOut.length === 0 && !this.#isUnrecorded ? this.#options.gone : undefined;
  }

  get #hasArchive(): boolean {
    return this.#compared.some(({ role }) => role === 'archive');
  }
}
