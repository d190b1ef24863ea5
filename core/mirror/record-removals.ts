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
import type { PlannedInstance } from './plan.ts';

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
  async save(): Promise<void> {
    this.#missing = noteListed(this.#missing, this.#listed, this.#notAtSource, this.#options.limits);
    this.#listed = 0;
    this.#notAtSource = [];
    await this.#write();
  }

  /**
   * Ends a complete comparison: acts on what is gone, unless the guard holds it back. What a target keeps is found again
   * by the next comparison, until somebody settled it. Where two runs overlap, the one that writes first acts; for the other
   * nothing is gone yet.
   * @param dryRun only say what would be done.
   */
  async complete({ dryRun = false, ...options }: CallOptions & { dryRun?: boolean } = {}): Promise<Deletions> {
    this.#missing = noteListed(this.#missing, this.#listed, this.#notAtSource, this.#options.limits);
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
   * nor did what was imported; what the archive noted and no target holds is settled.
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
