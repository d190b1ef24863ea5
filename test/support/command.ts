/** Runs the command line as a user does, in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { requireDescribedJson } from './described-json.ts';

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
/** What a program imports first whose passphrases need not be hard to guess. */
export const quickPassphrases = new URL('quick-passphrases.ts', import.meta.url).href;

export interface CommandResult {
  /** `null` if a signal ended it. */
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export interface RunningCommand {
  readonly process: ChildProcess;
  readonly result: Promise<CommandResult>;
}

export function startCommand(...args: readonly string[]): RunningCommand {
  const child = spawn(process.execPath, ['--import', quickPassphrases, main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const result = once(child, 'close').then(() => {
    requireDescribedJson(args, stdout);
    return { exitCode: child.exitCode, stdout, stderr };
  });
  return { process: child, result };
}

export function runCommand(...args: readonly string[]): Promise<CommandResult> {
  return startCommand(...args).result;
}
