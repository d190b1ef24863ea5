/** Ctrl-C and `kill`: the first signal asks to finish what is under way and stop, the second ends the process at once. */
import { exitCodes } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

/**
 * Listens for SIGINT and SIGTERM.
 * @returns a signal that aborts at the first of them. Ending at once is safe: whatever is half-written is no instance.
 */
export function listenForInterruption(terminal: Terminal): AbortSignal {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    terminal.say('stopping: finishing what is under way; once more to stop at once');
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return controller.signal;
}
