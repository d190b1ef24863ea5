/** Runs the command line in the process of the test, where starting a process for each call would take too long. */
import { EventEmitter } from 'node:events';
import { execute } from '../../cli/execute.ts';
import { createTerminal } from '../../cli/terminal.ts';
import { type CommandResult, requireDescribedOutput } from './command.ts';

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
  const exitCode = await execute(args, terminal, new AbortController().signal, (error) => {
    throw error;
  });
  await requireDescribedOutput(args, stdout.text);
  return { exitCode, signal: null, stdout: stdout.text, stderr: stderr.text };
}
