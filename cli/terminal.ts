/**
 * Where a command writes: data on stdout, talk and progress on stderr, so that `orthanc-mirror … | jq` and
 * `orthanc-mirror … > file` get nothing but the data.
 */

/** The part of a Node stream that a terminal needs; tests give their own. */
export interface TextStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
}

/** Where a command writes. Every line is made {@link printable} here, so that no other place has to think of it. */
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

/**
 * Characters that a terminal obeys instead of showing them: controls (C0 but for the tab, DEL, C1), marks and overrides
 * of the direction of text, line and paragraph separators, and halves of surrogate pairs.
 */
const obeyed = /(?!\t)[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}\ufeff]/gu;

/** One line that shows what it holds, whoever wrote it: `\u001b` for an escape, as in JSON. */
export function printable(line: string): string {
  return line.replaceAll(obeyed, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

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
  const print = (line: string) => {
    if (readerGone) return;
    clearStatus();
    stdout.write(`${printable(line)}\n`);
  };
  const say = (line: string) => {
    clearStatus();
    stderr.write(`${printable(line)}\n`);
  };
  return {
    print,
    printJson: (value) => print(JSON.stringify(value)),
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
