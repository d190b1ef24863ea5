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

export class AccessLog {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #now: () => Date;
  #end: LogEnd;
  #sizeBytes: number;
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
   * Opens a log, which is made if there is none, to go on with it. Throws `configuration` if it cannot be written, is no
   * file, or does not end with a line of such a log.
   */
  static async open(path: string, now: () => Date = () => new Date()): Promise<AccessLog> {
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const file = await open(path, 'a+', 0o600);
      const found = await file.stat();
      if (!found.isFile()) throw new Error('not a file');
      return new AccessLog(path, file, await endOf(file, found.size), found.size, now);
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

  async close(): Promise<void> {
    await this.#writing;
    clearTimeout(this.#syncing);
    await this.#file.sync();
    await this.#file.close();
  }

  async #append(record: AccessRecord): Promise<void> {
    const { line, end } = nextLine(this.#end, this.#now(), record);
    const bytes = Buffer.from(`${line}\n`);
    try {
      if ((await this.#file.stat()).size !== this.#sizeBytes) throw new Error('another process writes to it');
      await this.#file.appendFile(bytes);
    } catch (cause) {
      const what = `the access log ${this.#path} cannot be written, or another process writes to it`;
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
}

/** What is wrong with a log: the number of the first line that does not fit; `undefined` if nothing is. */
export async function checkAccessLog(
  path: string,
): Promise<{ readonly lines: number; readonly wrongLine: number | undefined }> {
  let end = emptyLog;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    const next = follow(end, line);
    if (next === undefined) return { lines: end.n + 1, wrongLine: end.n + 1 };
    end = next;
  }
  return { lines: end.n, wrongLine: undefined };
}

async function endOf(file: FileHandle, sizeBytes: number): Promise<LogEnd> {
  if (sizeBytes === 0) return emptyLog;
  const tail = Buffer.alloc(Math.min(sizeBytes, tailBytes));
  await file.read(tail, 0, tail.length, sizeBytes - tail.length);
  const text = tail.toString('utf8');
  const end = text.endsWith('\n') ? endAfter(text.trimEnd().split('\n').at(-1) ?? '') : undefined;
  if (end !== undefined) return end;
  const what = 'the access log does not end with a whole line of such a log';
  throw new MirrorError('configuration', `${what}: keep it, and name another one by --access-log`);
}
