/** The bytes of an open file, or a range of them. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { MirrorError } from '../../errors.ts';
import { folderError, hasErrorCode, unlessAbsent } from './folder-errors.ts';
import type { ByteRange } from './object-storage.ts';

const chunkBytes = 256 * 1024;

export interface FileBody {
  readonly sizeBytes: number;
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Closes the file. Idempotent. */
  readonly cancel: () => void;
}

/** Reads an open file of `fileBytes` bytes, and closes it at the end. `name` is that of the storage, for messages. */
export function fileBody(name: string, handle: FileHandle, fileBytes: number, range?: ByteRange): FileBody {
  const first = Math.min(range?.first ?? 0, fileBytes);
  const end = Math.max(first, Math.min(range === undefined ? fileBytes : range.last + 1, fileBytes));
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    // The bytes are only read: whatever closing says cannot matter to them.
    closed ??= handle.close().catch(() => undefined);
    return closed;
  };
  return {
    sizeBytes: end - first,
    bytes: readRange(name, handle, first, end, close),
    cancel: () => void close(),
  };
}

async function* readRange(
  name: string,
  handle: FileHandle,
  first: number,
  end: number,
  close: () => Promise<void>,
): AsyncGenerator<Uint8Array> {
  try {
    for (let position = first; position < end; ) {
      const chunk = Buffer.allocUnsafeSlow(Math.min(chunkBytes, end - position));
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, position);
      if (bytesRead === 0) {
        throw new MirrorError('body-short', `${name}: a file became shorter while it was read`);
      }
      position += bytesRead;
      yield chunk.subarray(0, bytesRead);
    }
  } catch (error) {
    throw folderError(name, error);
  } finally {
    await close();
  }
}

/** Opens a file without following a link, and without waiting for whoever may write into a pipe. */
const reading = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Opens a file to be read; `undefined` if there is none.
 * @param special called where something lies that can be no object
 */
export async function openIfPresent(path: string, special: () => never): Promise<FileHandle | undefined> {
  const handle = await unlessAbsent(open(path, reading)).catch((error: unknown) => {
    // A link; a socket.
    throw hasErrorCode(error, 'ELOOP') || hasErrorCode(error, 'ENXIO') ? special() : error;
  });
  const found = await handle?.stat();
  if (handle === undefined || found?.isFile() === true) {
    return handle;
  }
  await handle.close();
  return found?.isDirectory() === true ? undefined : special();
}
