/**
 * Who looked at what and when: one line of JSON each, appended, each with the hash of the one before it, so that a line
 * that was changed or taken out is noticed. Ids and names of users only, no patient data.
 *
 *     {"n":7,"at":"2026-11-21T03:02:01.123Z","who":"anna","action":"frames","study":"…","status":200,"before":"…","hash":"…"}
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { MirrorError } from '../../core/errors.ts';

/** What is logged of a request. */
export interface AccessRecord {
  readonly who: string;
  /** Address of the client, unless it is this machine. */
  readonly from?: string | undefined;
  readonly action: string;
  /** Orthanc ids. */
  readonly study?: string | undefined;
  readonly id?: string | undefined;
  readonly status: number;
}

const lineSchema = z.object({ n: z.int().positive(), before: z.string(), hash: z.string() });

/** What stands before the first line. */
const beginning = '0'.repeat(64);
/** The end of a file in which its last line lies. */
const tailBytes = 16 << 10;
const syncEveryMs = 1_000;

export class AccessLog {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #now: () => Date;
  #n: number;
  #before: string;
  #sizeBytes: number;
  #writing: Promise<void> = Promise.resolve();
  #syncing: NodeJS.Timeout | undefined;

  private constructor(path: string, file: FileHandle, end: LogEnd, now: () => Date) {
    this.#path = path;
    this.#file = file;
    this.#n = end.n;
    this.#before = end.hash;
    this.#sizeBytes = end.sizeBytes;
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
      return new AccessLog(path, file, await endOf(file, found.size), now);
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
    const entry = { n: this.#n + 1, at: this.#now().toISOString(), ...record, before: this.#before };
    const hash = hashOf(JSON.stringify(entry));
    const line = Buffer.from(`${lineOf(JSON.stringify(entry), hash)}\n`);
    try {
      if ((await this.#file.stat()).size !== this.#sizeBytes) throw new Error('another process writes to it');
      await this.#file.appendFile(line);
    } catch (cause) {
      const what = `the access log ${this.#path} cannot be written, or another process writes to it`;
      throw new MirrorError('full', `${what}: nothing is shown without it`, { cause });
    }
    this.#sizeBytes += line.length;
    this.#n += 1;
    this.#before = hash;
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
  let before = beginning;
  let lines = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    lines += 1;
    const found = parsed(line);
    if (found?.n !== lines || found.before !== before || found.hash !== hashOf(entryOf(line))) {
      return { lines, wrongLine: lines };
    }
    before = found.hash;
  }
  return { lines, wrongLine: undefined };
}

/** Where a log goes on. */
interface LogEnd {
  readonly n: number;
  readonly hash: string;
  readonly sizeBytes: number;
}

async function endOf(file: FileHandle, sizeBytes: number): Promise<LogEnd> {
  if (sizeBytes === 0) return { n: 0, hash: beginning, sizeBytes };
  const tail = Buffer.alloc(Math.min(sizeBytes, tailBytes));
  await file.read(tail, 0, tail.length, sizeBytes - tail.length);
  const text = tail.toString('utf8');
  const last = text.endsWith('\n') ? parsed(text.trimEnd().split('\n').at(-1) ?? '') : undefined;
  if (last !== undefined) return { ...last, sizeBytes };
  const what = 'the access log does not end with a whole line of such a log';
  throw new MirrorError('configuration', `${what}: keep it, and name another one by --access-log`);
}

function parsed(line: string): z.infer<typeof lineSchema> | undefined {
  try {
    return lineSchema.parse(JSON.parse(line));
  } catch {
    return undefined;
  }
}

const hashMember = /,"hash":"[0-9a-f]{64}"\}$/;

/** The hash stands at the end of the line and is of all the rest. */
function lineOf(entry: string, hash: string): string {
  return `${entry.slice(0, -1)},"hash":"${hash}"}`;
}

function entryOf(line: string): string {
  return line.replace(hashMember, '}');
}

function hashOf(entry: string): string {
  return createHash('sha256').update(entry).digest('hex');
}
