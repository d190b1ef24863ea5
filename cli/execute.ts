/** Runs the command line to its end, whatever comes: the exit code, the error, the report. */
import { CommanderError } from 'commander';
import { isMirrorError, type MirrorError } from '../core/errors.ts';
import { type ExitCode, exitCodeOfError, exitCodes } from './exit-codes.ts';
import { reasonOf } from './next-steps.ts';
import { createProgram } from './program.ts';
import { Session } from './session.ts';
import type { Terminal } from './terminal.ts';

/**
 * @param args what was typed behind the name of the program
 * @param onDefect told of an error that nobody expected; the exit code is 1 then
 */
export async function execute(
  args: readonly string[],
  terminal: Terminal,
  interruption: AbortSignal,
  onDefect: (error: unknown) => void,
): Promise<ExitCode> {
  const session = new Session(terminal, args);
  let exitCode: ExitCode = exitCodes.ok;
  let failure: unknown;
  const context = {
    terminal,
    interruption,
    finish: (code: ExitCode) => {
      exitCode = code;
    },
  };
  try {
    await createProgram(context, session).parseAsync(args, { from: 'user' });
  } catch (error) {
    failure = error;
    // Whatever an interrupted command threw, the interruption is the reason.
    exitCode = interruption.aborted ? exitCodes.interrupted : tell(error, terminal, onDefect);
  }
  session.end(exitCode, failure);
  return exitCode;
}

/** Tells the user what went wrong. Commander has already told what is its own. */
function tell(error: unknown, terminal: Terminal, onDefect: (error: unknown) => void): ExitCode {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return exitCodes.ok;
    if (terminal.json) tellAsJson(terminal, 'configuration', error.message.replace(/^error: /, ''), exitCodes.usage);
    return exitCodes.usage;
  }
  const exitCode = exitCodeOfError(error);
  if (isMirrorError(error)) tellMirrorError(error, terminal, exitCode);
  else {
    if (terminal.json) tellAsJson(terminal, 'internal', 'a defect of this program; see stderr', exitCode);
    onDefect(error);
  }
  return exitCode;
}

function tellMirrorError(error: MirrorError, terminal: Terminal, exitCode: ExitCode): void {
  const reason = reasonOf(error);
  if (terminal.json) tellAsJson(terminal, error.code, reason, exitCode);
  terminal.complain(`orthanc-mirror: ${reason}`);
}

function tellAsJson(terminal: Terminal, code: string, reason: string, exitCode: ExitCode): void {
  terminal.printJson({ type: 'error', code, reason, exitCode });
}
