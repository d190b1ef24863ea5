/**
 * Where a command writes: data on stdout, messages and progress on stderr, so that `orthanc-mirror … | jq` and
 * `orthanc-mirror … > file` get nothing but the data.
 */

import { printable, printableJson } from '../core/printable.ts';
import type { Result } from './report/format.ts';
import { RepeatedFailures } from './report/repeated-failures.ts';

/** The part of a Node stream that a terminal needs; tests give their own. */
export interface TextStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
}

/** Where a command writes. Every line is made printable here, so that no other place has to think of it. */
export interface Terminal {
  /** Prints one line of data on stdout. */
  print(line: string): void;
  /** Prints one value on stdout as a line of JSON, whose texts are escaped where they are not printable. */
  printJson(value: unknown): void;
  /** Tells the user something on stderr. */
  say(line: string): void;
  /** Warns the user on stderr. */
  warn(line: string): void;
  /** Says on stderr why the command ends; nothing keeps it quiet. */
  complain(line: string): void;
  /** Shows a line on stderr that the next message or status replaces; nothing unless stderr is a terminal. */
  showStatus(line: string): void;
  /**
   * Tells one result of a command: on stdout as a line of JSON, or as text. Of failures for the same reason the text is
   * told ten times only, then {@link Terminal.end} counts them; JSON and reports get every one.
   */
  tell(result: Result, text: string | readonly string[]): void;
  /** Gives a report what is worth no line. */
  note(result: Result): void;
  /** Says how the command that begins now wants to be told. */
  begin(mode: TerminalMode): void;
  /** Tells what was counted instead of being told. */
  end(): void;
  /** Whether results are JSON. */
  readonly json: boolean;
  /** Columns of the terminal that stdout is; `undefined`: it is none. */
  readonly width: number | undefined;
  /** Whether status lines are shown. */
  readonly interactive: boolean;
  /** Whether the reader of stdout has gone (`… | head`): a command that only prints may stop, others go on. */
  readonly readerGone: boolean;
}

export interface TerminalMode {
  readonly json?: boolean | undefined;
  /** Nothing but results and warnings. */
  readonly quiet?: boolean | undefined;
  /** Gets every line, results and messages. */
  readonly onLine?: ((line: string) => void) | undefined;
  readonly onResult?: ((result: Result) => void) | undefined;
}

const eraseLine = '\r\u001b[2K';

/** Makes the terminal of a command. Survives readers that close the pipe (EPIPE). */
export function createTerminal(stdout: TextStream, stderr: TextStream): Terminal {
  let readerGone = false;
  let statusShown = false;
  const interactive = stderr.isTTY === true;
  stdout.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error;
    readerGone = true;
  });
  stderr.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error;
  });

  let mode: TerminalMode = {};
  const failures = new RepeatedFailures();
  const clearStatus = () => {
    if (statusShown) stderr.write(eraseLine);
    statusShown = false;
  };
  const write = (line: string) => {
    mode.onLine?.(line);
    if (readerGone) return;
    clearStatus();
    stdout.write(`${line}\n`);
  };
  const writeMessage = (line: string) => {
    mode.onLine?.(printable(line));
    clearStatus();
    stderr.write(`${printable(line)}\n`);
  };
  const terminal: Terminal = {
    print: (line) => write(printable(line)),
    printJson: (value) => write(printableJson(value)),
    say: (line) => {
      if (mode.quiet === true) mode.onLine?.(printable(line));
      else writeMessage(line);
    },
    warn: (line) => writeMessage(`warning: ${line}`),
    complain: writeMessage,
    tell: (result, text) => {
      mode.onResult?.(result);
      if (mode.json === true) terminal.printJson(result);
      else if (failures.isTold(result))
        for (const line of typeof text === 'string' ? [text] : text) terminal.print(line);
    },
    note: (result) => mode.onResult?.(result),
    begin: (wanted) => {
      mode = wanted;
    },
    end: () => {
      for (const line of failures.lines()) terminal.print(line);
    },
    showStatus: (line) => {
      if (!interactive || mode.quiet === true) return;
      stderr.write(`${eraseLine}${printable(line).slice(0, (stderr.columns ?? 80) - 1)}`);
      statusShown = true;
    },
    interactive,
    get json() {
      return mode.json === true;
    },
    get width() {
      return stdout.isTTY === true ? stdout.columns : undefined;
    },
    get readerGone() {
      return readerGone;
    },
  };
  return terminal;
}
