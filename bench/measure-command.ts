/** Runs a command line in a process of its own and watches what it uses. */
import { spawn } from 'node:child_process';
import { cpuTimeMs, peakResidentBytes } from './process-usage.ts';

export interface CommandUsage {
  readonly wallMs: number;
  /** Read every 20 ms: the last 20 ms may be missing. */
  readonly cpuMs: number;
  readonly peakResidentBytes: number;
  readonly stdout: string;
}

/** A program and its arguments. */
export type Command = readonly string[];

/** Our command line. */
export const orthancMirror = new URL('../bin/orthanc-mirror', import.meta.url).pathname;

/** Runs the command to its end; throws, with what it said, if its exit code is not 0. */
export async function measureCommand([program = '', ...args]: Command): Promise<CommandUsage> {
  const startedAtMs = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  let usage = { cpuMs: 0, peakResidentBytes: 0 };
  const watch = setInterval(() => {
    if (child.pid !== undefined) usage = usageOf(child.pid) ?? usage;
  }, 20);
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.on('error', reject).on('close', resolve);
  const exitCode = await promise.finally(() => clearInterval(watch));
  const wallMs = performance.now() - startedAtMs;
  if (exitCode !== 0) throw new Error(`${program} ${args.join(' ')} exited with ${exitCode}\n${stdout}${stderr}`);
  return { wallMs, ...usage, stdout };
}

/** `undefined` when the process is just gone. */
function usageOf(pid: number): { cpuMs: number; peakResidentBytes: number } | undefined {
  try {
    return { cpuMs: cpuTimeMs(pid), peakResidentBytes: peakResidentBytes(pid) };
  } catch {
    return undefined;
  }
}
