/** What a command gets from the outside and gives back. */
import type { ExitCode } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

export interface CommandContext {
  readonly terminal: Terminal;
  /** Aborts when the user asks to stop: take no new work, finish what is under way, then return. */
  readonly interruption: AbortSignal;
  /** Called once at the end of a command that did not throw; without it the exit code is 0. */
  finish(exitCode: ExitCode): void;
}
