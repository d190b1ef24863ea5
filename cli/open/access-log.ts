/** The log of who looked at what, as a file that is only appended to. */
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { MirrorError } from '../../core/errors.ts';
import {
  type AccessRecord,
  emptyLog,
  endAfter,
  follow,
  type LogEnd,
  nextLine,
} from '../../core/open/web/access-line.ts';

/** The end of a file in which its last line lies. */
const tailBytes = 16 << 10;
const syncEveryMs = 1_000;
/** What is logged of the program itself. */
const actions = { begin: 'open', end: 'close' } as const;

export class AccessLog {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #now: () => Date;
  #end: LogEnd;
  #sizeBytes: number;
  #hasBegun = false;
  #writing: Promise<void> = Promise.resolve();
  #syncing: NodeJS.Timeout | undefined;

  private constructor(path: string, file: FileHandle, end: LogEnd, sizeBytes: number, now: () => Date) {
    this.#path = path;
    this.#file = file;
    this.#end = end;
    this.#sizeBytes = sizeBytes;
    this.#now = now;
  }

  /**
   * Opens a log, which is made if there is none, to go on with it. A last line that was cut by a crash is taken away: what
   * it was to tell of was never shown. Throws `configuration` if it cannot be written, is no file, or does not end with a
   * line of such a log.
   */
  static async open(path: string, now: () => Date = () => new Date()): Promise<AccessLog> {
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const file = await open(path, 'a+', 0o600);
      try {
        const found = await file.stat();
        if (!found.isFile()) throw new Error('not a file');
        const { end, sizeBytes } = await endOf(file, found.size);
        if (sizeBytes < found.size) await file.truncate(sizeBytes);
        return new AccessLog(path, file, end, sizeBytes, now);
      } catch (error) {
        await file.close();
        throw error;
      }
    } catch (cause) {
      if (cause instanceof MirrorError) throw cause;
      throw new MirrorError('configuration', `the access log ${path} cannot be written; name another by --access-log`, {
        cause,
      });
    }
  }

  /** Appends a line; resolves when the system has it. Throws `full` if it cannot: then nothing may be shown. */
  append(record: AccessRecord): Promise<void> {
    const written = this.#writing.then(() => this.#append(record));
    this.#writing = written.catch(() => undefined);
    return written;
  }

  /** Logs that the program begins to answer; then {@link close} logs that it ended. Throws as {@link append}. */
  begin(): Promise<void> {
    this.#hasBegun = true;
    return this.append({ who: '-', action: actions.begin, status: 200 });
  }

  async close(): Promise<void> {
    // A log that cannot be written any more tells by the missing line that something was wrong.
    if (this.#hasBegun) await this.append({ who: '-', action: actions.end, status: 200 }).catch(() => undefined);
    await this.#writing;
    clearTimeout(this.#syncing);
    await this.#file.sync();
    await this.#file.close();
  }

  async #append(record: AccessRecord): Promise<void> {
    const { line, end } = nextLine(this.#end, this.#now(), record);
    const bytes = Buffer.from(`${line}\n`);
    try {
      await this.#requireSize(this.#sizeBytes);
      await this.#file.appendFile(bytes);
      await this.#requireSize(this.#sizeBytes + bytes.length);
    } catch (cause) {
      const what = `the access log ${this.#path} cannot be written, was deleted, or another process writes to it`;
      throw new MirrorError('full', `${what}: nothing is shown without it`, { cause });
    }
    this.#sizeBytes += bytes.length;
    this.#end = end;
    // What a power cut may take is what was written within a second before.
    this.#syncing ??= setTimeout(() => {
      this.#syncing = undefined;
      this.#file.sync().catch(() => undefined);
    }, syncEveryMs).unref();
  }

  async #requireSize(sizeBytes: number): Promise<void> {
    const { size, nlink } = await this.#file.stat();
    if (size !== sizeBytes || nlink === 0) throw new Error('somebody else changed it');
  }
}

/** What a log tells of itself. */
export interface CheckedLog {
  readonly lines: number;
  /** Number of the first line that does not fit to the one before; `undefined` if there is none. */
  readonly wrongLine: number | undefined;
  /** Of the last line: who noted it finds that lines behind it were taken away since. */
  readonly hash: string;
  /** How many programs began where the one before had not ended: it was killed, or its last lines were taken away. */
  readonly withoutEnd: number;
}

/** Checks a log. Throws what reading throws. */
export async function checkAccessLog(path: string): Promise<CheckedLog> {
  let end = emptyLog;
  let [withoutEnd, isEnded] = [0, true];
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    const next = follow(end, line);
    if (next === undefined) return { lines: end.n + 1, wrongLine: end.n + 1, hash: end.hash, withoutEnd };
    if (next.action === actions.begin && !isEnded) withoutEnd += 1;
    isEnded = next.action === actions.end;
    end = next;
  }
  return { lines: end.n, wrongLine: undefined, hash: end.hash, withoutEnd };
}

/** Where a log goes on, and how many bytes of it are whole lines. */
async function endOf(
  file: FileHandle,
  fileBytes: number,
): Promise<{ readonly end: LogEnd; readonly sizeBytes: number }> {
  const tail = Buffer.alloc(Math.min(fileBytes, tailBytes));
  await file.read(tail, 0, tail.length, fileBytes - tail.length);
  const whole = tail.subarray(0, tail.lastIndexOf('\n') + 1);
  const sizeBytes = fileBytes - tail.length + whole.length;
  const end = sizeBytes === 0 ? emptyLog : endAfter(whole.toString('utf8').trimEnd().split('\n').at(-1) ?? '');
  if (end !== undefined && isTornLine(tail.toString('utf8', whole.length), end)) return { end, sizeBytes };
  const what = 'the access log does not end with a line of such a log';
  throw new MirrorError('configuration', `${what}: keep it, and name another one by --access-log`);
}

/** Whether this is what a crash leaves of the line that was to follow: its beginning, or zeros; or nothing at all. */
function isTornLine(text: string, { n }: LogEnd): boolean {
  const written = text.replace(/\0+$/, '');
  const beginning = `{"n":${n + 1},"at":"`;
  return written.startsWith(beginning) || beginning.startsWith(written);
}
