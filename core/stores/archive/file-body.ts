/** The bytes of an open file, or a range of them. */
import type { FileHandle } from 'node:fs/promises';
import { MirrorError } from '../../errors.ts';
import { folderError } from './folder-errors.ts';
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
