/**
 * Stopping the server and starting it again, whatever happens in between. The two commands belong to a shell process of
 * their own: it starts the server when it is told to, and also when this process dies, by whatever signal, because the
 * pipe between them closes then.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MirrorError } from '../../errors.ts';

export interface PauseCommands {
  /** Run by `sh -c`. Must return when the server has ended. */
  readonly stop: string;
  /** Run by `sh -c`. Must return when the server is starting. */
  readonly start: string;
  /** How long each may take. */
  readonly timeoutMs: number;
}

/**
 * `$1` stops, `$2` starts. The status of the stop goes to descriptor 3; a line, or the end, on standard input asks to
 * start. No signal but KILL ends this shell before the server runs again.
 */
const guardian = `trap '' HUP INT QUIT TERM PIPE
sh -c "$1" </dev/null 3>&-
echo $? >&3
exec 3>&-
read -r line
exec sh -c "$2" </dev/null`;

/**
 * Does `work` while the server is stopped. The server is started in every case: after success, after an error of the
 * stop command or of `work`, and if this process is killed.
 * Throws what `work` throws; `server-error` (halt) if a command failed. An error of the start command is thrown only if
 * `work` succeeded, with its result lost to the caller: `onStartFailed` is told in every case.
 */
export async function whileStopped<T>(
  commands: PauseCommands,
  logFolder: string,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly stoppedMs: number; readonly startError: MirrorError | undefined }> {
  const logPath = join(logFolder, 'commands.log');
  const log = openSync(logPath, 'a', 0o600);
  const shell = spawn('sh', ['-c', guardian, 'sh', commands.stop, commands.start], {
    detached: true,
    stdio: ['pipe', log, log, 'pipe'],
  });
  const ended = once(shell, 'exit');
  ended.catch(() => undefined);
  const stoppingAt = Date.now();
  let outcome: { readonly result: T } | { readonly error: unknown };
  try {
    await stopSucceeded(shell, commands.timeoutMs, logPath);
    outcome = { result: await work() };
  } catch (error) {
    outcome = { error };
  }
  const startError = await startAgain(shell, ended, commands.timeoutMs, logPath);
  if ('error' in outcome) throw startError === undefined ? outcome.error : bothFailed(startError, outcome.error);
  return { result: outcome.result, stoppedMs: Date.now() - stoppingAt, startError };
}

async function stopSucceeded(shell: ChildProcess, timeoutMs: number, logPath: string): Promise<void> {
  const status = shell.stdio[3];
  let text = '';
  const read = (async () => {
    for await (const chunk of status && 'read' in status ? status : []) text += String(chunk);
  })();
  if (!(await withinTime(read, timeoutMs))) {
    throw commandError(
      `the stop command did not return within ${timeoutMs / 1000} s; an Orthanc in use ends only in a pause of its ` +
        'clients: let the command kill it after a while',
    );
  }
  if (text.trim() !== '0') {
    throw commandError(`the stop command failed with status ${text.trim()}${await lastLine(logPath)}`);
  }
}

async function startAgain(
  shell: ChildProcess,
  ended: Promise<unknown[]>,
  timeoutMs: number,
  logPath: string,
): Promise<MirrorError | undefined> {
  shell.stdin?.end('start\n');
  if (!(await withinTime(ended, timeoutMs))) {
    shell.unref();
    return commandError(`the start command did not return within ${timeoutMs / 1000} s; it goes on by itself`);
  }
  if (shell.exitCode === 0) return undefined;
  return commandError(
    `the start command failed with status ${shell.exitCode}${await lastLine(logPath)}; start the server by hand`,
  );
}

async function withinTime(work: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  try {
    return await Promise.race([work.then(() => true), timeout]);
  } finally {
    clearTimeout(timer);
  }
}

async function lastLine(logPath: string): Promise<string> {
  const line = (await readFile(logPath, 'utf8').catch(() => '')).trim().split('\n').at(-1) ?? '';
  return line === '' ? '' : ` (${line.slice(0, 200)})`;
}

function commandError(message: string): MirrorError {
  return new MirrorError('server-error', message, { disposition: 'halt' });
}

function bothFailed(startError: MirrorError, error: unknown): MirrorError {
  const also = error instanceof MirrorError ? `; before that: ${error.message}` : '';
  return new MirrorError('server-error', `${startError.message}${also}`, { disposition: 'halt', cause: error });
}
