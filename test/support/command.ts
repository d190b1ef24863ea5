/** Runs the command line as a user does: the program as it is installed, in a process of its own. */
import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

export interface CommandResult {
  /** `null` if a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export interface RunningCommand {
  readonly process: ChildProcessByStdio<null, Readable, Readable>;
  /** Resolves when the command has ended, however it ended. */
  readonly result: Promise<CommandResult>;
}

/** Starts the command line without waiting for its end. */
export function startCommand(args: readonly string[], environment: NodeJS.ProcessEnv = {}): RunningCommand {
  const folder = programFolder();
  const path = `${dirname(process.execPath)}:${process.env.PATH}`;
  // Passphrases of backups need not be hard to guess here.
  const quickPassphrases = `--import ${join(folder, 'quick-passphrases.js')}`;
  const child = spawn(join(folder, 'bin/orthanc-mirror'), args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: path, NODE_OPTIONS: quickPassphrases, ...environment },
  });
  const ended = new Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (exitCode, signal) => resolve({ exitCode, signal }));
  });
  const result = Promise.all([ended, text(child.stdout), text(child.stderr)]).then(async ([end, stdout, stderr]) => {
    await requireDescribedOutput(args, stdout);
    return { ...end, stdout, stderr };
  });
  return { process: child, result };
}

/** Throws if what was printed with `--json` is described nowhere. The schemas are loaded where they are needed. */
export async function requireDescribedOutput(args: readonly string[], stdout: string): Promise<void> {
  if (!args.includes('--json')) return;
  const { requireDescribedJson } = await import('./described-json.ts');
  requireDescribedJson(args, stdout);
}

/** Runs the command line to its end. */
export function runCommand(args: readonly string[], environment?: NodeJS.ProcessEnv): Promise<CommandResult> {
  return startCommand(args, environment).result;
}

/** Where the program is, as it is installed: written by whoever needs it first in a run. It starts twice as fast as from source. */
function programFolder(): string {
  const folder = join(tmpdir(), 'bundled-program');
  if (existsSync(folder)) return folder;
  const made = mkdtempSync(`${folder}-`);
  execFileSync(process.execPath, [fileURLToPath(new URL('bundle-program.ts', import.meta.url)), made]);
  try {
    renameSync(made, folder);
  } catch {
    // Another file was quicker.
    rmSync(made, { recursive: true });
  }
  return folder;
}
