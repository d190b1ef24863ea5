/** Running another program and reading what it prints, or feeding it. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { environmentOf } from '../environment.ts';
import { MirrorError } from '../errors.ts';
import { throwIfAborted } from '../stores/aborted.ts';
import { systemCode } from './files/file-error.ts';

export interface ProgramCall {
  readonly program: string;
  /** Never hold a secret: every user of the machine sees them. */
  readonly args: readonly string[];
  /** The program's variables, beside PATH; may hold secrets. Messages are asked for in English. */
  readonly environment: Readonly<Record<string, string>>;
  /** Which of our own variables it gets too; none if absent. */
  readonly inherits?: ((name: string) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Makes the error for the end of what the program printed on stderr, which may quote a row and is told to nobody. */
  readonly failed: (printed: string) => MirrorError;
  /** What to do if the program is not installed. */
  readonly missing: string;
}

/** A program that runs. */
export interface StartedProgram {
  readonly child: ChildProcessWithoutNullStreams;
  /** Throws `failed`, or `configuration` if there is no such program. */
  readonly ended: Promise<void>;
}

/** Starts a program whose in- and output the caller handles. */
export function startProgram(call: ProgramCall): StartedProgram {
  const { program, args, environment, inherits = () => false, signal } = call;
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...environmentOf((name) => name === 'PATH' || inherits(name)), LC_ALL: 'C', ...environment },
    ...(signal === undefined ? {} : { signal }),
  });
  const ended = endOf(child, call);
  ended.catch(() => undefined);
  return { child, ended };
}

/**
 * Yields what a program prints on stdout. Ends normally only if the program succeeded; otherwise throws `failed`, or
 * `configuration` if there is no such program. The program is ended if the reader leaves.
 */
export async function* programOutput(call: ProgramCall): AsyncGenerator<Uint8Array> {
  const { child, ended } = startProgram(call);
  try {
    for await (const chunk of child.stdout) yield chunk;
    await ended;
  } finally {
    child.kill();
  }
}

/** Feeds a stream to a program's stdin. Throws like {@link programOutput}, and what the stream throws. */
export async function feedProgram(call: ProgramCall, source: AsyncIterable<Uint8Array>): Promise<void> {
  const { child, ended } = startProgram(call);
  child.stdout.resume();
  try {
    await pipeline(Readable.from(source), child.stdin).catch((error: unknown) => {
      // The program ended first: its own words are better.
      if (systemCode(error) !== 'EPIPE' && systemCode(error) !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    });
    await ended;
  } finally {
    child.kill();
  }
}

async function endOf(child: ChildProcessWithoutNullStreams, call: ProgramCall): Promise<void> {
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = `${errors}${text}`.slice(-4000);
  });
  try {
    await once(child, 'close');
  } catch (error) {
    throwIfAborted(call.signal);
    if (systemCode(error) !== 'ENOENT') throw error;
    throw new MirrorError('configuration', `${call.program} is not installed: ${call.missing}`, { cause: error });
  }
  if (child.exitCode !== 0) throw call.failed(errors);
}
