/** What `import` prints: a line for each file that did not arrive, and the summary, as text and as JSON. */
import type { DocumentProblem, SidecarCounts } from '../../core/import/import-sidecars.ts';
import type { ImportSummary, LostLine, ReportLine } from '../../core/import/report.ts';
import { printableJson } from '../../core/printable.ts';
import { type ExitCode, exitCodeOf } from '../exit-codes.ts';
import { formatBytes, formatCount, formatDuration } from '../format.ts';
import { reasonOf } from '../next-steps.ts';

export interface ImportFacts {
  readonly dryRun: boolean;
  readonly durationMs: number;
  /** What became of labels, metadata, attachments and protections; `undefined` if there was no index. */
  readonly sidecars: SidecarCounts | undefined;
}

/** A document that did not arrive, as one line of text. */
export function documentProblemLine({ level, id, error }: DocumentProblem): string {
  return `document  ${level}/${id}  ${reasonOf(error)} (${error.code})`;
}

/** A document that did not arrive, as a line of JSON. */
export function jsonDocumentProblem({ level, id, error }: DocumentProblem) {
  return { type: 'document-problem', level, id, reason: reasonOf(error), code: error.code };
}

/** A file that did not arrive, or an instance that was lost again, as one line of text. */
export function problemLine(line: ReportLine | LostLine): string {
  const { outcome, reason, code } = line;
  const what = 'path' in line ? printableJson(line.path) : line.id;
  return `${outcome}  ${what}  ${reason ?? 'no reason known'} (${code ?? 'unknown'})`;
}

/** The exit code of an import: 0 when every DICOM file arrived, and what the index says of them. */
export function exitCodeOfImport(
  { counts, stoppedBy, interrupted }: ImportSummary,
  sidecars: SidecarCounts | undefined,
): ExitCode {
  const rejected = counts.refused + (sidecars?.refused ?? 0);
  const failed = counts.failed + (sidecars?.failed ?? 0);
  return exitCodeOf({ conflicting: 0, rejected, failed, interrupted, stoppedBy });
}

/** The last line of `import --json`. Fields are only ever added. */
export function jsonSummary(summary: ImportSummary, { dryRun, durationMs, sidecars }: ImportFacts) {
  const { counts, notDicom, storedBytes, keptBeside, stoppedBy, interrupted } = summary;
  return {
    type: 'summary',
    dryRun,
    stored: counts.stored,
    wouldStore: counts['would-store'],
    alreadyThere: counts['already-there'],
    notDicom: counts['not-dicom'],
    notDicomKinds: Object.fromEntries(notDicom),
    refused: counts.refused,
    failed: counts.failed,
    storedBytes,
    keptBeside,
    sidecars,
    durationMs: Math.round(durationMs),
    interrupted,
    stoppedBy: stoppedBy && { code: stoppedBy.code, reason: reasonOf(stoppedBy) },
    exitCode: exitCodeOfImport(summary, sidecars),
  };
}

/** The summary as lines of text. */
export function summaryLines(summary: ImportSummary, { dryRun, durationMs, sidecars }: ImportFacts): readonly string[] {
  const { counts, notDicom, storedBytes, keptBeside, stoppedBy, interrupted } = summary;
  const count = dryRun ? counts['would-store'] : counts.stored;
  const counted = [
    `${dryRun ? 'would store' : 'stored'} ${formatCount(count)} (${formatBytes(storedBytes)})`,
    `already there ${formatCount(counts['already-there'])}`,
    `not DICOM ${formatCount(counts['not-dicom'])}`,
    `refused ${formatCount(counts.refused)}`,
    `failed ${formatCount(counts.failed)}`,
  ];
  return [
    `${counted.join(', ')} in ${formatDuration(durationMs)}`,
    ...[...notDicom].map(([what, files]) => `  not DICOM: ${what} ${formatCount(files)}`),
    ...(keptBeside === 0
      ? []
      : [`  kept beside, not current: ${formatCount(keptBeside)} (the archive goes by what its source has, or had)`]),
    ...(sidecars === undefined ? [] : [sidecarsLine(sidecars)]),
    ...(stoppedBy === undefined ? [] : [`stopped: ${reasonOf(stoppedBy)} (${stoppedBy.code})`]),
    ...(interrupted ? ['interrupted; run the same command again to go on'] : []),
  ];
}

function sidecarsLine({ written, unchanged, refused, failed }: SidecarCounts): string {
  const counted = [`written ${written}`, `unchanged ${unchanged}`, `refused ${refused}`, `failed ${failed}`];
  return `labels, metadata, attachments and protection of studies and patients: ${counted.join(', ')}`;
}
