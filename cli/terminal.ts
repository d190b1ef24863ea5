/**
 * Where a command writes: data on stdout, talk and progress on stderr, so that `orthanc-mirror … | jq` and
 * `orthanc-mirror … > file` get nothing but the data.
 */

import { printable, printableJson } from '../core/printable.ts';

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
  /** Shows a line on stderr that the next line of talk or status replaces; nothing unless stderr is a terminal. */
  showStatus(line: string): void;
  /** Whether status lines are shown. */
  readonly interactive: boolean;
  /** Whether the reader of stdout has gone (`… | head`): a command that only prints may stop, others go on. */
  readonly readerGone: boolean;
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

  const clearStatus = () => {
    if (statusShown) stderr.write(eraseLine);
    statusShown = false;
  };
  const write = (line: string) => {
    if (readerGone) return;
    clearStatus();
    stdout.write(`${line}\n`);
  };
  const say = (line: string) => {
    clearStatus();
    stderr.write(`${printable(line)}\n`);
  };
  return {
    print: (line) => write(printable(line)),
    printJson: (value) => write(printableJson(value)),
    say,
    warn: (line) => say(`warning: ${line}`),
    showStatus: (line) => {
      if (!interactive) return;
      stderr.write(`${eraseLine}${printable(line).slice(0, (stderr.columns ?? 80) - 1)}`);
      statusShown = true;
    },
    interactive,
    get readerGone() {
      return readerGone;
    },
  };
}
