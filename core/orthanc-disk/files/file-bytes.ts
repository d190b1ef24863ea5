/** The bytes of files that are open, and their hashes. */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { isMd5, type Md5 } from '../../identifiers.ts';
import { throwIfAborted } from '../../stores/aborted.ts';
import { md5OfFinal } from '../../stores/hashed-bytes.ts';

const chunkBytes = 1024 * 1024;

/** What is known of bytes. MD5 is what Orthanc keeps and finds accidents; SHA-256 finds forgeries too. */
export interface ContentHashes {
  readonly sizeBytes: number;
  readonly md5: Md5;
  readonly sha256: string;
}

/**
 * The first `limitBytes` bytes of an open file from its beginning, in chunks of up to 1 MiB; fewer if it is shorter. The
 * file stays open. Throws the errors of the file system as they are.
 */
export async function* chunksOf(handle: FileHandle, limitBytes: number, signal?: AbortSignal): AsyncGenerator<Buffer> {
  for (let position = 0; position < limitBytes; ) {
    throwIfAborted(signal);
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, limitBytes - position));
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/**
 * The first `sizeBytes` bytes of an open file in one piece; fewer if it is shorter. For small files. The file stays open.
 * Throws the errors of the file system as they are.
 */
export async function wholeBytesOf(handle: FileHandle, sizeBytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(sizeBytes);
  let filledBytes = 0;
  while (filledBytes < sizeBytes) {
    const { bytesRead } = await handle.read(buffer, filledBytes, sizeBytes - filledBytes, filledBytes);
    if (bytesRead === 0) break;
    filledBytes += bytesRead;
  }
  return buffer.subarray(0, filledBytes);
}

/** The bytes of a file of our own, by its path. Throws the errors of the file system as they are. */
export async function* readFileChunks(path: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  await using handle = await open(path, 'r');
  yield* chunksOf(handle, Number.POSITIVE_INFINITY, signal);
}

/** Hashes bytes in memory that nobody will change. */
export function hashesOfWhole(bytes: Uint8Array): ContentHashes {
  return { sizeBytes: bytes.length, md5: md5OfFinal(bytes), sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** Counts and hashes bytes. Throws what `chunks` throws. */
export async function hashesOf(chunks: AsyncIterable<Uint8Array>): Promise<ContentHashes> {
  const [md5, sha256] = [createHash('md5'), createHash('sha256')];
  let sizeBytes = 0;
  for await (const chunk of chunks) {
    md5.update(chunk);
    sha256.update(chunk);
    sizeBytes += chunk.length;
  }
  const md5Text: string = md5.digest('hex');
  if (!isMd5(md5Text)) throw new TypeError('the digest of MD5 has another form');
  return { sizeBytes, md5: md5Text, sha256: sha256.digest('hex') };
}
