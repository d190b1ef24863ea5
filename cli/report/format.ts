/** What the results of a command are, and how a report of them is written. */
import type { ExitCode } from '../exit-codes.ts';

/** One thing that a command tells; as JSON a line. Holds ids and hashes, and no patient data but where a user asked for it. */
export type Result = Readonly<Record<string, unknown>> & { readonly type: string };

/** What a report says of the command itself. */
export interface ReportFacts {
  readonly command: string;
  readonly version: string;
  readonly begunAt: string;
  /** Arguments and options as given, without what names patients and without secrets. */
  readonly given: Readonly<Record<string, string>>;
  /** SHA-256 of the files that the options name. */
  readonly inputs: Readonly<Record<string, string>>;
}

export interface ReportEnd {
  readonly endedAt: string;
  readonly exitCode: ExitCode;
  /** The error that ended the command. */
  readonly error: { readonly code: string; readonly reason: string } | undefined;
  /** The last summary of the command. */
  readonly summary: Result | undefined;
}

/** How a report is written. */
export interface ReportFormat {
  begin(facts: ReportFacts): string;
  /** Empty where the format does not show a result. */
  result(result: Result): string;
  end(facts: ReportFacts, end: ReportEnd): string;
}

/** @returns one value of a result as text: empty where there is none, JSON where it is no single value. */
export function cellText(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
