/** Bytes of files and of memory, read in chunks. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { MirrorError } from '../errors.ts';

const chunkBytes = 256 * 1024;

/** Bytes that can be read as often as needed, each time from their beginning. */
export interface RereadableBytes {
  /** `undefined` where only reading tells. */
  readonly sizeBytes: number | undefined;
  /** Starts reading. Throws a {@link MirrorError}: `source-corrupt`, `vanished`, `forbidden`, `body-short`. */
  read(): AsyncIterable<Uint8Array>;
  /** Frees memory, temporary files and the archive around it. Idempotent; nothing can be read afterwards. */
  release(): void;
}

/** The bytes of a regular file. */
export function fileBytes(path: Buffer, sizeBytes: number): RereadableBytes {
  return {
    sizeBytes,
    async *read() {
      const handle = await openForReading(path);
      try {
        yield* readHandle(handle, sizeBytes);
      } finally {
        await handle.close();
      }
    },
    release() {},
  };
}

/** Bytes that are in memory. */
export function memoryBytes(bytes: Uint8Array, onRelease: () => void = () => {}): RereadableBytes {
  let kept: Uint8Array | undefined = bytes;
  return {
    sizeBytes: bytes.byteLength,
    async *read() {
      if (kept !== undefined && kept.byteLength > 0) {
        yield kept;
      }
    },
    release() {
      if (kept !== undefined) {
        kept = undefined;
        onRelease();
      }
    },
  };
}

/**
 * Opens a file; errors of the file system become errors that say what to do. What was a file when it was found may be a
 * pipe by now: nobody is waited for.
 */
export async function openForReading(path: Buffer): Promise<FileHandle> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if ((await handle.stat()).isFile()) return handle;
  } catch (error) {
    await handle?.close();
    throw readError(error);
  }
  await handle.close();
  throw new MirrorError('refused', 'it is a pipe, socket or device, and no file any more');
}

/** Reads `sizeBytes` bytes of an open file from `start` on. Throws `body-short` if it has become shorter. */
export async function* readHandle(handle: FileHandle, sizeBytes: number, start = 0): AsyncGenerator<Uint8Array> {
  for (let position = 0; position < sizeBytes; ) {
    const wanted = Math.min(chunkBytes, sizeBytes - position);
    const { bytesRead, buffer } = await readAt(handle, wanted, start + position);
    if (bytesRead === 0) {
      throw new MirrorError('body-short', 'a file became shorter while it was read; run again when it is complete');
    }
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function readAt(handle: FileHandle, length: number, position: number) {
  try {
    return await handle.read(Buffer.allocUnsafe(length), 0, length, position);
  } catch (error) {
    throw readError(error);
  }
}

/** The meaning of an error of the file system; the path is left out because it may hold a patient's name. */
export function readError(cause: unknown): MirrorError {
  const code = errorCode(cause);
  switch (code) {
    case 'ENOENT':
      return new MirrorError('vanished', 'a file is not there any more', { cause });
    case 'EACCES':
    case 'EPERM':
      return new MirrorError('forbidden', 'no permission to read it; run as a user who may', {
        cause,
        disposition: 'reject',
      });
    case 'EMFILE':
    case 'ENFILE':
      return new MirrorError('busy', 'too many open files; raise the limit (ulimit -n) and run again', { cause });
    default:
      return new MirrorError('source-corrupt', `cannot be read (${code}); check the disk`, { cause });
  }
}

/** @returns whether an error comes from the operating system, not from a defect of ours. */
export function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
}
