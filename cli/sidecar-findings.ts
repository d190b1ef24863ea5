/** What a command tells of sidecars of an archive that cannot be read. */
import { SidecarFindings } from '../core/sidecars/sidecar-state.ts';
import { type ExitCode, exitCodes } from './exit-codes.ts';
import { reasonOf } from './next-steps.ts';
import type { Terminal } from './terminal.ts';
import { exitCodeOfHistories, type UnreadableHistories } from './unreadable-histories.ts';

/** Collects findings, and tells each once on stderr. */
export function tellFindings(terminal: Terminal): SidecarFindings {
  return new SidecarFindings(({ error }) => terminal.warn(`${reasonOf(error)} (${error.code})`));
}

/**
 * Of a command that only looks: what it printed is not all, or not the newest, where a sidecar or a history could not be
 * read.
 */
export function exitCodeOfFindings(findings: SidecarFindings, histories: UnreadableHistories): ExitCode {
  return findings.count('sidecar-damaged') > 0 ? exitCodes.different : exitCodeOfHistories(histories);
}
