/** Runs the command line as a user does: the executable, in a process of its own. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { requireDescribedJson } from '../../support/described-json.ts';

const executable = new URL('../../../bin/orthanc-mirror', import.meta.url).pathname;

export interface CommandResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly process: ChildProcessByStdio<null, Readable, Readable>;
  /** Resolves when the command has ended, however it ended. */
  readonly result: Promise<CommandResult>;
}

/** Starts the command line without waiting for its end. */
export function startCommand(args: readonly string[], environment: NodeJS.ProcessEnv = {}): RunningCommand {
  const child = spawn(executable, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  const ended = new Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exitCode, signal) => resolve({ exitCode, signal }));
  });
  const result = Promise.all([ended, text(child.stdout), text(child.stderr)]).then(([end, stdout, stderr]) => {
    requireDescribedJson(args, stdout);
    return { ...end, stdout, stderr };
  });
  return { process: child, result };
}

/** Runs the command line to its end. */
export function runCommand(args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<CommandResult> {
  return startCommand(args, environment).result;
}
