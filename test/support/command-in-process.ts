/** Runs a command of the command line within the process of the test: what it prints, and how it ends. */

import { exitCodeOfError } from '../../cli/exit-codes.ts';
import { createProgram } from '../../cli/program.ts';
import { createTerminal, type TextStream } from '../../cli/terminal.ts';
import { isMirrorError } from '../../core/errors.ts';

export interface CommandEnd {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

class Captured implements TextStream {
  text = '';

  write(text: string): void {
    this.text += text;
  }

  on(): void {}
}

export async function runInProcess(...args: readonly string[]): Promise<CommandEnd> {
  const [stdout, stderr] = [new Captured(), new Captured()];
  const terminal = createTerminal(stdout, stderr);
  let exitCode = 0;
  const finish = (code: number) => {
    exitCode = code;
  };
  try {
    const { signal } = new AbortController();
    await createProgram({ terminal, interruption: signal, finish }).parseAsync(['node', 'orthanc-mirror', ...args]);
  } catch (error) {
    if (!isMirrorError(error)) throw error;
    terminal.say(error.message);
    exitCode = exitCodeOfError(error);
  }
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}
