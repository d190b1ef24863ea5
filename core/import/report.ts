/** What became of each file, and the sum of it. */
import type { Advice, ErrorCode, MirrorError } from '../errors.ts';
import type { InstanceId, Md5 } from '../identifiers.ts';
import type { FoundAt } from './found.ts';

/** What can become of a file. */
export const fileOutcomes = ['stored', 'would-store', 'already-there', 'not-dicom', 'refused', 'failed'] as const;
export type FileOutcome = (typeof fileOutcomes)[number];

/**
 * One line of the report. Its `path` is the user's own name of the file and may hold patient data: the report belongs
 * to the user and is written nowhere else. Fields may be added; none is taken away or changes its meaning.
 */
export interface ReportLine extends FoundAt {
  /**
   * - `stored`: it is at every destination now, and was missing at one at least
   * - `would-store`: a dry run found that it is missing at one destination at least
   * - `already-there`: every destination held exactly these bytes
   * - `not-dicom`: no instance: `what` tells what it is
   * - `refused`: it cannot be imported as it is: `reason`
   * - `failed`: it may succeed when the import is run again: `reason`
   */
  readonly outcome: FileOutcome;
  readonly what?: string;
  readonly reason?: string;
  readonly advice?: Advice;
  readonly code?: ErrorCode;
  readonly id?: InstanceId;
  readonly md5?: Md5;
  readonly sizeBytes?: number;
  /** The archive keeps these bytes, and a restore gives others: what its source has, or nothing if that removed it. */
  readonly isKeptBeside?: boolean;
  /** Something worth knowing about a file that was stored. */
  readonly note?: string;
}

/** A line that corrects an earlier one of the same `id`: a server took the instance and does not hold it any more. */
export type LostLine = Required<Pick<ReportLine, 'outcome' | 'id' | 'reason' | 'code'>>;

/** How an import ended. */
export interface ImportSummary {
  readonly counts: Readonly<Record<FileOutcome, number>>;
  /** Files that are not instances, by what they are. */
  readonly notDicom: ReadonlyMap<string, number>;
  /** Bytes of the instances that were stored, in a dry run of those that would be. */
  readonly storedBytes: number;
  /** Instances that the archive keeps and does not list, see {@link ReportLine.isKeptBeside}. */
  readonly keptBeside: number;
  /** Why the work ended before everything was looked at. */
  readonly stoppedBy: MirrorError | undefined;
  readonly interrupted: boolean;
}

/** Adds up report lines. */
export class ImportCounts {
  readonly #counts: Record<FileOutcome, number> = {
    stored: 0,
    'would-store': 0,
    'already-there': 0,
    'not-dicom': 0,
    refused: 0,
    failed: 0,
  };
  readonly #notDicom = new Map<string, number>();
  #storedBytes = 0;
  #keptBeside = 0;

  add(line: ReportLine): void {
    this.#counts[line.outcome] += 1;
    if (line.isKeptBeside === true) this.#keptBeside += 1;
    if (line.outcome === 'not-dicom') {
      const what = line.what ?? 'other';
      this.#notDicom.set(what, (this.#notDicom.get(what) ?? 0) + 1);
    }
    if (line.outcome === 'stored' || line.outcome === 'would-store') {
      this.#storedBytes += line.sizeBytes ?? 0;
    }
  }

  /** How many instances are done. */
  get instances(): number {
    return this.#counts.stored + this.#counts['already-there'];
  }

  get storedBytes(): number {
    return this.#storedBytes;
  }

  summary(end: Pick<ImportSummary, 'stoppedBy' | 'interrupted'>): ImportSummary {
    return {
      counts: { ...this.#counts },
      notDicom: new Map(this.#notDicom),
      storedBytes: this.#storedBytes,
      keptBeside: this.#keptBeside,
      ...end,
    };
  }
}

/** @returns whether a file did not arrive that should have. */
export function isProblem({ outcome }: ReportLine): boolean {
  return outcome === 'refused' || outcome === 'failed';
}
