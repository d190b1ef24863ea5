/** What must not outlive this process: child processes and temporary folders. */

const endings = new Set<() => void>();
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Runs `ending`, which must be synchronous, when this process exits, and when a signal ends it that nobody else
 * listens to. @returns a function that takes it back.
 */
export function endWithProcess(ending: () => void): () => void {
  if (endings.size === 0) listen();
  endings.add(ending);
  return () => {
    endings.delete(ending);
    if (endings.size === 0) unlisten();
  };
}

function listen(): void {
  process.on('exit', endAll);
  for (const signal of signals) process.on(signal, endOnSignal);
}

function unlisten(): void {
  process.off('exit', endAll);
  for (const signal of signals) process.off(signal, endOnSignal);
}

function endAll(): void {
  for (const ending of endings) ending();
  endings.clear();
}

/** A program with its own handler decides itself when to exit, and the endings run then. */
function endOnSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  endAll();
  unlisten();
  process.kill(process.pid, signal);
}
