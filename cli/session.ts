/** How a command wants to be told, and what is kept of what it tells: `--json`, `--quiet`, `--log-file`, `--report`. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Command, Option } from 'commander';
import * as z from 'zod';
import { MirrorError } from '../core/errors.ts';
import type { ExitCode } from './exit-codes.ts';
import { optionsOf, switchOption, valueOption } from './options.ts';
import { givenOf, inputsOf, Report } from './report/report.ts';
import { Requests } from './requests.ts';
import type { Terminal } from './terminal.ts';

const sessionValues = z.object({
  json: z.boolean().optional(),
  quiet: z.boolean().optional(),
  verbose: z.boolean().optional(),
  logFile: z.string().optional(),
  report: z.string().optional(),
});

/** The options of every command. */
export function sessionOptions(): readonly Option[] {
  return [
    switchOption('-q, --quiet', 'no progress and no messages: results, warnings and errors only').conflicts('verbose'),
    switchOption(
      '-v, --verbose',
      'also tell each request that failed, whether or not it was tried again, and count them',
    ),
    valueOption('--log-file <file>', 'also append everything that is told to this file, with its time'),
  ];
}

/** Of the commands whose results are worth filing. */
export function reportOption(): Option {
  return valueOption(
    '--report <file>',
    'write what was done, with every exception: lines of JSON, or .csv, or .html to be filed',
  );
}

export class Session {
  readonly #terminal: Terminal;
  readonly #typed: readonly string[];
  #report: Report | undefined;
  #log: number | undefined;
  #requests: Requests | undefined;

  constructor(terminal: Terminal, typed: readonly string[]) {
    this.#terminal = terminal;
    this.#typed = typed;
    // What is typed wrongly is told before any option is known.
    terminal.begin({ json: typed.includes('--json') });
  }

  /** Called before the work of a command. Throws `configuration` if a file cannot be written. */
  begin(command: Command, version: string): void {
    const { json, quiet, verbose, logFile, report } = optionsOf(sessionValues, command.opts());
    this.#log = logFile === undefined ? undefined : openLog(logFile);
    if (report !== undefined) {
      const facts = { command: nameOf(command), version, begunAt: new Date().toISOString() };
      const options = command.opts();
      this.#report = new Report(report, { ...facts, given: givenOf(command.args, options), inputs: inputsOf(options) });
    }
    const log = this.#log;
    this.#terminal.begin({
      json,
      quiet,
      onLine: log === undefined ? undefined : (line) => writeSync(log, `${new Date().toISOString()} ${line}\n`),
      onResult: (result) => this.#report?.add(result),
    });
    if (verbose === true) this.#requests = new Requests(this.#terminal);
  }

  end(exitCode: ExitCode, error: unknown): void {
    this.#requests?.end();
    this.#requests = undefined;
    this.#report?.end(exitCode, error);
    if (this.#log !== undefined) closeSync(this.#log);
    this.#terminal.begin({ json: this.#typed.includes('--json') });
  }
}

function openLog(path: string): number {
  try {
    return openSync(path, 'a', 0o600);
  } catch (cause) {
    throw new MirrorError('configuration', 'the log file cannot be written; check --log-file', { cause });
  }
}

/** `backup check`, without the name of the program. */
function nameOf(command: Command): string {
  const { parent } = command;
  return parent === null || parent.parent === null ? command.name() : `${nameOf(parent)} ${command.name()}`;
}
