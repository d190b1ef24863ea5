/**
 * The command line.
 *
 * To add a command X, write `cli/commands/x.ts` with `export function registerX(program, context)` and add it to the
 * list in `cli/program.ts`. In that file
 * - declare arguments and options with `program.command('x')` and the functions of `cli/options.ts`, `--json` included;
 * - in the action, load what does the work by `await import(…)`: the files of all commands are read at every start,
 *   the core only by the command that runs;
 * - tell results with `context.terminal.tell`, and describe their lines of JSON in `cli/x/output.ts` and
 *   `cli/json-output.ts`; print other data with `print`, messages with `say` and `warn`, show progress with `cli/progress.ts`;
 * - stop early when `context.interruption` aborts;
 * - end with `context.finish(exitCodeOf(…))`, or throw: a `MirrorError` becomes its message and its exit code.
 */
import { execute } from './execute.ts';
import { listenForInterruption } from './interruption.ts';
import { createTerminal, type Terminal } from './terminal.ts';

/** A defect: the stack is what a developer needs; the text of foreign errors may quote data, so only its name. */
function tellDefect(error: unknown, terminal: Terminal): void {
  const { name, stack } = error instanceof Error ? error : new Error('not an error object');
  terminal.complain(`orthanc-mirror: internal error (${name})`);
  for (const line of callsIn(stack)) terminal.complain(line);
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

const terminal = createTerminal(process.stdout, process.stderr);
const interruption = listenForInterruption(terminal);
process.exitCode = await execute(process.argv.slice(2), terminal, interruption, (error) => tellDefect(error, terminal));
await Promise.all([written(process.stdout), written(process.stderr)]);
// Whatever a library still holds open must not keep the process: the work is done.
process.exit();
