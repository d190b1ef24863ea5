/**
 * The command line.
 *
 * To add a command X, write `cli/commands/x.ts` with `export function registerX(program, context)` and add it to the
 * list in `cli/program.ts`. In that file
 * - declare arguments and options with `program.command('x')` and the functions of `cli/options.ts`, `--json` included;
 * - in the action, load what does the work by `await import(…)`: the files of all commands are read at every start,
 *   the core only by the command that runs;
 * - print data with `context.terminal.print` or `printJson`, talk with `say` and `warn`, progress with
 *   `cli/progress.ts`;
 * - stop early when `context.interruption` aborts;
 * - end with `context.finish(exitCodeOf(…))`, or throw: a `MirrorError` becomes its message and its exit code.
 */
import { CommanderError } from 'commander';
import { isMirrorError } from '../core/errors.ts';
import type { CommandContext } from './command-context.ts';
import { type ExitCode, exitCodeOfError, exitCodes } from './exit-codes.ts';
import { listenForInterruption } from './interruption.ts';
import { createProgram } from './program.ts';
import { createTerminal, type Terminal } from './terminal.ts';

async function main(): Promise<ExitCode> {
  const terminal = createTerminal(process.stdout, process.stderr);
  let exitCode: ExitCode = exitCodes.ok;
  const context: CommandContext = {
    terminal,
    interruption: listenForInterruption(terminal),
    finish: (code) => {
      exitCode = code;
    },
  };
  try {
    await createProgram(context).parseAsync();
    return exitCode;
  } catch (error) {
    // Whatever an interrupted command threw, the interruption is the reason.
    return context.interruption.aborted ? exitCodes.interrupted : report(error, terminal);
  }
}

/** Tells the user what went wrong. Commander has already told what is its own. */
function report(error: unknown, terminal: Terminal): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  if (isMirrorError(error)) {
    terminal.say(`orthanc-mirror: ${error.message}`);
  } else {
    // A defect: the stack is what a developer needs; the text of foreign errors may quote data, so only its name.
    const { name, stack } = error instanceof Error ? error : new Error('not an error object');
    terminal.say(`orthanc-mirror: internal error (${name})`);
    for (const line of callsIn(stack)) terminal.say(line);
  }
  return exitCodeOfError(error);
}

/** The lines of a stack without those of its message. */
function callsIn(stack = ''): readonly string[] {
  return stack.split('\n').filter((line) => /^\s+at /.test(line));
}

/** Waits until everything was given to the reader: a pipe whose reader is slow takes 64 KiB and no more at once. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}

process.exitCode = await main();
await Promise.all([written(process.stdout), written(process.stderr)]);
// Whatever a library still holds open must not keep the process: the work is done.
process.exit();
