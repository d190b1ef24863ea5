/** The file of `--report`: what a command did, when, to what, every exception, the totals. One place for all commands. */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { isMirrorError, MirrorError } from '../../core/errors.ts';
import { printableJson } from '../../core/printable.ts';
import type { ExitCode } from '../exit-codes.ts';
import { reasonOf } from '../next-steps.ts';
import { csvFormat } from './csv.ts';
import { cellText, type ReportFacts, type ReportFormat, type Result } from './format.ts';
import { htmlFormat } from './html.ts';

const jsonLines: ReportFormat = {
  begin: (facts) => `${printableJson({ type: 'report', ...facts })}\n`,
  result: (result) => `${printableJson(result)}\n`,
  end: (_, { endedAt, exitCode, error }) => `${printableJson({ type: 'end', endedAt, exitCode, error })}\n`,
};

const formats: Readonly<Record<string, ReportFormat>> = { csv: csvFormat, html: htmlFormat };

function formatOf(path: string): ReportFormat {
  return formats[/\.([a-z]+)$/i.exec(path)?.[1]?.toLowerCase() ?? ''] ?? jsonLines;
}

/** A report that is being written, by its owner alone readable; memory does not grow with it. */
export class Report {
  readonly #file: number;
  readonly #path: string;
  readonly #format: ReportFormat;
  readonly #facts: ReportFacts;
  #summary: Result | undefined;

  /** Throws `configuration` if the file cannot be written. */
  constructor(path: string, facts: ReportFacts) {
    this.#path = path;
    this.#format = formatOf(path);
    this.#facts = facts;
    try {
      // A file that is there may be readable for others.
      rmSync(path, { force: true });
      this.#file = openSync(path, 'wx', 0o600);
    } catch (cause) {
      throw new MirrorError('configuration', 'the report file cannot be written; check --report', { cause });
    }
    this.#write(this.#format.begin(facts));
  }

  add(result: Result): void {
    if (result.type === 'summary') this.#summary = result;
    this.#write(this.#format.result(result));
  }

  end(exitCode: ExitCode, error: unknown): void {
    const told = isMirrorError(error) ? { code: error.code, reason: reasonOf(error) } : undefined;
    const end = { endedAt: new Date().toISOString(), exitCode, error: told, summary: this.#summary };
    this.#write(this.#format.end(this.#facts, end));
    closeSync(this.#file);
  }

  #write(text: string): void {
    try {
      writeSync(this.#file, text);
    } catch (cause) {
      const what = `the report ${this.#path} cannot be written any more; free space and run again`;
      throw new MirrorError('full', what, { cause });
    }
  }
}

/** Options whose values name patients or what belongs to them. */
const personal = /^(?:patient|study|series|accession|name|label)$/;

/** What was given, fit for a report: patients and studies by a hash, addresses without credentials. */
export function givenOf(args: readonly unknown[], options: Readonly<Record<string, unknown>>): ReportFacts['given'] {
  const entries = [
    ...args.map((value, index) => [`argument ${index + 1}`, value] as const),
    ...Object.entries(options),
  ];
  return Object.fromEntries(
    entries
      .filter(([, value]) => ['string', 'number', 'boolean'].includes(typeof value) || Array.isArray(value))
      .map(([name, value]) => [
        name,
        personal.test(name) ? `sha256:${sha256(cellText(value))}` : withoutSecret(cellText(value)),
      ]),
  );
}

/** The files that say what is done: the configuration, an index. */
export function inputsOf(options: Readonly<Record<string, unknown>>): ReportFacts['inputs'] {
  const { config } = options;
  if (typeof config !== 'string') return {};
  try {
    return { [config]: sha256(readFileSync(config)) };
  } catch {
    // Whoever reads it says what is wrong with it.
    return {};
  }
}

function withoutSecret(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, '$1');
}

function sha256(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}
