/** Runs the command line in the process of the test, where starting a process for each call would take too long. */
import { EventEmitter } from 'node:events';
import { CommanderError } from 'commander';
import { exitCodeOfError, exitCodes } from '../../cli/exit-codes.ts';
import { createProgram } from '../../cli/program.ts';
import { createTerminal } from '../../cli/terminal.ts';
import { isMirrorError } from '../../core/errors.ts';
import type { CommandResult } from './command.ts';

class Recorder extends EventEmitter {
  text = '';

  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

/** The same as `runCommand`, but that an internal error is thrown. */
export async function runInProcess(...args: readonly string[]): Promise<CommandResult> {
  const [stdout, stderr] = [new Recorder(), new Recorder()];
  const terminal = createTerminal(stdout, stderr);
  let exitCode: number = exitCodes.ok;
  const finish = (code: number): void => {
    exitCode = code;
  };
  try {
    const program = createProgram({ terminal, interruption: new AbortController().signal, finish });
    await program.parseAsync(args, { from: 'user' });
  } catch (error) {
    if (isMirrorError(error)) {
      terminal.say(error.message);
      exitCode = exitCodeOfError(error);
    } else if (error instanceof CommanderError) exitCode = exitCodes.usage;
    else throw error;
  }
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}
