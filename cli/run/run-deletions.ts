/** What `run` does and tells about instances that are gone from the source. */

import type { KeptCopy } from '../../core/archive-life/deletions/propagate-deletion.ts';
import type { OpenMirror } from '../../core/config/open.ts';
import { MirrorError } from '../../core/errors.ts';
import { archiveOf, type DeletionPolicy } from '../../core/mirror/parts.ts';
import type { Deletions } from '../../core/mirror/record-removals.ts';
import type { Terminal } from '../terminal.ts';
import type { RunChoices } from './options.ts';
import { type Problem, problemLine } from './run-report.ts';

const msPerHour = 3_600_000;

/** Throws `configuration` where deletions cannot be propagated: their state lies in the archive. */
export function deletionPolicyOf(
  options: RunChoices,
  { destinations }: OpenMirror,
  terminal: Terminal,
): DeletionPolicy {
  const propagate = options.deletions === 'propagate';
  if (propagate && options.dryRun !== true && archiveOf(destinations) === undefined) {
    throw new MirrorError(
      'configuration',
      '--deletions propagate needs an --archive, which keeps what is deleted and remembers what was missing before',
    );
  }
  return {
    propagate,
    limits: {
      maxCount: options.maxDeletions,
      maxPercent: options.maxDeletionPercent,
      graceMs: options.deletionGraceHours * msPerHour,
    },
    now: () => new Date(),
    onGone: (id, kept) => {
      printKept(kept, terminal);
      if (kept.length > 0) return;
      const text = `${propagate ? 'deleted' : 'removed at the source'}  ${id}`;
      terminal.tell({ type: 'removal', id, deletedAtTarget: propagate }, text);
    },
  };
}

/** Says what a dry run would delete, and why the guard held deletions back. */
export function tellDeletions(
  verdict: Deletions | undefined,
  { deletions, dryRun = false }: RunChoices,
  terminal: Terminal,
): void {
  if (verdict?.kind === 'guarded') {
    const effect = deletions === 'propagate' ? 'nothing was deleted' : 'the archive took no note of them';
    terminal.warn(`${verdict.reason}; ${effect}`);
  }
  if (verdict?.kind !== 'gone' || !dryRun) return;
  const open = new Set(verdict.kept.map(({ id }) => id));
  printKept(verdict.kept, terminal);
  for (const id of verdict.ids.filter((one) => !open.has(one))) {
    const text = `would ${deletions === 'propagate' ? 'delete' : 'note as removed'}  ${id}`;
    terminal.tell({ type: 'removal', id, deletedAtTarget: false, dryRun }, text);
  }
}

/** What a target keeps of a deleted instance is a problem like any other conflict. */
function printKept(kept: readonly KeptCopy[], terminal: Terminal): void {
  for (const { id, destination, reason } of kept) {
    const problem: Problem = { type: 'problem', id, destination, outcome: 'conflict', code: 'conflict', reason };
    terminal.tell({ ...problem }, problemLine(problem));
  }
}
