/** Carries what comparisons did not find at the source from one complete comparison to the next, and acts on it. */

import {
  beginListing,
  completeListing,
  type DeletionLimits,
  type DeletionVerdict,
  forget,
  type Missing,
  noteListed,
  nothingMissing,
} from '../archive-life/deletions/missing.ts';
import type { KeptCopy, Propagated, PropagateOptions } from '../archive-life/deletions/propagate-deletion.ts';
import type { CallOptions } from '../call-options.ts';
import { isMirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { StateDocument } from '../stores/archive/state.ts';
import { mapInOrder } from '../streams/in-parallel.ts';
import type { PlannedInstance } from './plan.ts';

/** Instances of which the source is asked at once. */
const questionsAtOnce = 8;

/** What a complete comparison says of deletions, and what became of them. */
export type Deletions =
  | Exclude<DeletionVerdict, { kind: 'gone' }>
  /** `ids` are gone, and it was acted on that; `kept` is what targets hold of them and no other place does. */
  | { readonly kind: 'gone'; readonly ids: readonly InstanceId[]; readonly kept: readonly KeptCopy[] };

export interface RemovalRecorderOptions {
  readonly document: Pick<StateDocument<Missing>, 'read' | 'write'>;
  readonly limits: DeletionLimits;
  /** Whether instances that are gone are deleted at the targets; otherwise only the archive takes note. */
  readonly deletesAtTargets: boolean;
  readonly now: () => Date;
  /**
   * Asks the source for an instance that its list did not show: the list may be hours old, and what arrived since is no
   * removal. Absent: the list is believed.
   */
  readonly isAtSource?: ((id: InstanceId, options: CallOptions) => Promise<boolean>) | undefined;
  /** Does what is configured for an instance that is gone, after asking the source once more. */
  readonly propagate: (id: InstanceId, options: PropagateOptions) => Promise<Propagated>;
  /** Called for what was really done, or kept. */
  readonly onGone?: ((id: InstanceId, kept: readonly KeptCopy[]) => void) | undefined;
}

export class RemovalRecorder {
  readonly #options: RemovalRecorderOptions;
  #missing: Missing = nothingMissing;
  #version: string | null = null;
  /** Another run wrote the list meanwhile: it is left to that one, and this comparison is no evidence. */
  #isOvertaken = false;
  #listed = 0;
  #notAtSource: InstanceId[] = [];

  constructor(options: RemovalRecorderOptions) {
    this.#options = options;
  }

  /** Begins a comparison, or continues one whose first part was saved. */
  async begin({ resume }: { readonly resume: boolean }): Promise<void> {
    const found = await this.#options.document.read();
    this.#version = found?.version ?? null;
    this.#isOvertaken = false;
    const missing = found?.value ?? nothingMissing;
    this.#missing = resume ? missing : beginListing(missing);
    this.#listed = 0;
    this.#notAtSource = [];
  }

  /** Takes a compared instance in. */
  note(planned: PlannedInstance): void {
    if (planned.atSource) this.#listed += 1;
    else if (this.#concerns(planned)) this.#notAtSource.push(planned.id);
  }

  /** Saves what was taken in, so that another process can continue. */
  async save(options: CallOptions = {}): Promise<void> {
    await this.#takeIn(options);
    await this.#write();
  }

  async #takeIn(options: CallOptions): Promise<void> {
    const { limits } = this.#options;
    const [noted, listed] = [this.#notAtSource, this.#listed];
    this.#notAtSource = [];
    this.#listed = 0;
    const missing: InstanceId[] = [];
    for await (const { id, isThere } of mapInOrder(noted, questionsAtOnce, async (one) => {
      // When it is an accident anyhow, nobody needs to be asked.
      const isTooMany = this.#missing.current.count + missing.length > limits.maxCount;
      return { id: one, isThere: !isTooMany && (await this.#isAtSource(one, options)) };
    })) {
      if (!isThere) missing.push(id);
    }
    this.#missing = noteListed(this.#missing, listed + noted.length - missing.length, missing, limits);
  }

  /** One that the source cannot be asked for now is not taken for gone. */
  async #isAtSource(id: InstanceId, options: CallOptions): Promise<boolean> {
    const { isAtSource } = this.#options;
    try {
      return isAtSource === undefined ? false : await isAtSource(id, options);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!isMirrorError(error)) throw error;
      return true;
    }
  }

  /**
   * Ends a complete comparison: acts on what is gone, unless the guard holds it back. What a target keeps is found again
   * by the next comparison, until somebody resolved it. Where two runs overlap, the one that writes first acts; for the other
   * nothing is gone yet.
   * @param dryRun only say what would be done.
   */
  async complete({ dryRun = false, ...options }: CallOptions & { dryRun?: boolean } = {}): Promise<Deletions> {
    await this.#takeIn(options);
    const { verdict, next } = completeListing(this.#missing, this.#options.limits, this.#options.now());
    if (!dryRun) {
      this.#missing = next;
      await this.#write();
      if (this.#isOvertaken) return { kind: 'none' };
    }
    if (verdict.kind !== 'gone') return verdict;
    const ids: InstanceId[] = [];
    const kept: KeptCopy[] = [];
    for (const id of verdict.ids) {
      const propagated = await this.#options.propagate(id, { dryRun, ...options });
      if (propagated.kind === 'not-gone') continue;
      ids.push(id);
      kept.push(...propagated.kept);
      if (!dryRun) this.#options.onGone?.(id, propagated.kept);
    }
    if (dryRun) return { kind: 'gone', ids, kept };
    const open = new Set(kept.map(({ id }) => id));
    this.#missing = forget(
      this.#missing,
      verdict.ids.filter((id) => !open.has(id)),
    );
    await this.#write();
    return { kind: 'gone', ids, kept };
  }

  /**
   * Whether something is left to do. What the archive does not know never came from the source and is the target's own;
   * nor did what was imported; what the archive noted and no target holds is done.
   */
  #concerns({ onlyAt, archived }: PlannedInstance): boolean {
    if (archived === undefined || archived.isForeign) return false;
    const atTarget = onlyAt.some(({ role }) => role === 'target');
    return archived.standing !== 'removed' || (this.#options.deletesAtTargets && atTarget);
  }

  async #write(): Promise<void> {
    if (this.#isOvertaken) return;
    try {
      this.#version = await this.#options.document.write(this.#missing, this.#version);
    } catch (error) {
      if (!isMirrorError(error, 'changed-meanwhile')) throw error;
      this.#isOvertaken = true;
    }
  }
}
