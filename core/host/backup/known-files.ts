/**
 * The storage files that the archive holds and whose hashes are known, in ascending order of uuid: written to a file of
 * the work folder once, read several times. Fixed records of 72 bytes, so that millions need no memory.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { isMd5 } from '../../identifiers.ts';
import type { ContentHashes } from '../../orthanc-disk/files/file-bytes.ts';
import { fileError } from '../../orthanc-disk/files/file-error.ts';
import type { IndexedFile } from '../../orthanc-disk/index/index-reader.ts';

/** A file of the storage area by its uuid, and what is known of its bytes. */
export interface KnownFile extends ContentHashes {
  readonly uuid: string;
}

/** Whether a known file is the one that a row of the index means. Without a hash in the index, the size has to do. */
export function knownAs({ storedMd5, storedBytes }: IndexedFile, known: KnownFile | undefined): known is KnownFile {
  if (known === undefined) return false;
  return storedMd5 === undefined ? known.sizeBytes === storedBytes : known.md5 === storedMd5;
}

/** uuid, MD5, SHA-256, size. */
const fieldBytes = [16, 16, 32, 8] as const;
const recordBytes = 72;
const recordsAtOnce = 4096;

/** Must be closed; the file goes with its folder. */
export class KnownFiles implements AsyncDisposable {
  readonly #path: string;
  readonly #handle: FileHandle;
  #waiting: Buffer[] = [];

  /** Throws `full` or `configuration`. */
  static async create(path: string): Promise<KnownFiles> {
    try {
      return new KnownFiles(path, await open(path, 'w+', 0o600));
    } catch (error) {
      throw fileError(error, path, 'configuration');
    }
  }

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** In ascending order of uuid, before anything is read. Throws `full` or `server-error`. */
  async add({ uuid, md5, sha256, sizeBytes }: KnownFile): Promise<void> {
    const record = Buffer.from(`${uuid.replaceAll('-', '')}${md5}${sha256}${'0'.repeat(16)}`, 'hex');
    record.writeBigUInt64BE(BigInt(sizeBytes), recordBytes - 8);
    this.#waiting.push(record);
    if (this.#waiting.length >= recordsAtOnce) await this.#flush();
  }

  /** Everything that was added, as often as it is asked for. */
  async *[Symbol.asyncIterator](): AsyncGenerator<KnownFile> {
    await this.#flush();
    const buffer = Buffer.allocUnsafe(recordBytes * recordsAtOnce);
    for (let position = 0; ; ) {
      const { bytesRead } = await this.#handle.read(buffer, 0, buffer.length, position);
      const wholeBytes = bytesRead - (bytesRead % recordBytes);
      if (wholeBytes === 0) return;
      position += wholeBytes;
      for (let at = 0; at < wholeBytes; at += recordBytes) yield knownFile(buffer.subarray(at, at + recordBytes));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    try {
      await this.#handle.appendFile(bytes);
    } catch (error) {
      throw fileError(error, this.#path, 'server-error');
    }
  }
}

function knownFile(record: Buffer): KnownFile {
  let from = 0;
  const [uuid = '', md5 = '', sha256 = '', size = ''] = fieldBytes.map((bytes) => {
    from += bytes;
    return record.toString('hex', from - bytes, from);
  });
  if (!isMd5(md5)) throw new TypeError('a record of known files has another form');
  return {
    uuid: uuid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    md5,
    sha256,
    sizeBytes: Number.parseInt(size, 16),
  };
}
