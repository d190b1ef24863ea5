/**
 * Keeps bytes that can be read only once where they come from (members of a tar, a zip within an archive) until they
 * are done with: in memory while there is room, else in a nameless temporary file. Nothing is ever written under a
 * name that an archive chose, and nothing remains when the process ends.
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RereadableBytes } from './rereadable-bytes.ts';
import { memoryBytes, readError, readHandle } from './rereadable-bytes.ts';

/** Bytes that a {@link HoldingPlace} holds in a temporary file. */
export interface HeldFile extends RereadableBytes {
  readonly sizeBytes: number;
  /** The open file, for reading at any position. */
  readonly handle: FileHandle;
}

/** The largest that is kept in memory. */
const smallBytes = 4 * 1024 * 1024;

export class HoldingPlace {
  readonly #memoryBytes: number;
  #usedBytes = 0;

  /** @param memoryBytes how much all that is held at a time may take of memory */
  constructor(memoryBytes = 64 * 1024 * 1024) {
    this.#memoryBytes = memoryBytes;
  }

  /** Reads `chunks` to their end and holds them. Throws what they throw. */
  async hold(chunks: AsyncIterable<Uint8Array>): Promise<RereadableBytes> {
    const start: Uint8Array[] = [];
    let startBytes = 0;
    const input = chunks[Symbol.asyncIterator]();
    try {
      for (let next = await input.next(); next.done !== true; next = await input.next()) {
        start.push(next.value);
        startBytes += next.value.byteLength;
        if (startBytes > smallBytes || this.#usedBytes + startBytes > this.#memoryBytes) {
          return await writeTemporary(start, input);
        }
      }
    } finally {
      await input.return?.();
    }
    this.#usedBytes += startBytes;
    return memoryBytes(Buffer.concat(start), () => {
      this.#usedBytes -= startBytes;
    });
  }

  /** Reads `chunks` to their end and holds them in a temporary file, for what needs to be read at any position. */
  async holdInFile(chunks: AsyncIterable<Uint8Array>): Promise<HeldFile> {
    return writeTemporary([], chunks[Symbol.asyncIterator]());
  }
}

async function writeTemporary(start: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): Promise<HeldFile> {
  const handle = await openNameless();
  try {
    let sizeBytes = 0;
    for (const chunk of start) {
      sizeBytes += await write(handle, chunk);
    }
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
      sizeBytes += await write(handle, next.value);
    }
    return heldFile(handle, sizeBytes);
  } catch (error) {
    await handle.close();
    throw error;
  } finally {
    await rest.return?.();
  }
}

async function write(handle: FileHandle, chunk: Uint8Array): Promise<number> {
  try {
    await handle.writeFile(chunk);
    return chunk.byteLength;
  } catch (error) {
    throw readError(error);
  }
}

function heldFile(handle: FileHandle, sizeBytes: number): HeldFile {
  let released = false;
  return {
    sizeBytes,
    handle,
    read: () => readHandle(handle, sizeBytes),
    release() {
      if (!released) {
        released = true;
        handle.close().catch(() => undefined);
      }
    },
  };
}

/** A file without a name: it is gone when it is closed, also by the end of the process. */
async function openNameless(): Promise<FileHandle> {
  const path = join(tmpdir(), `orthanc-mirror-${randomUUID()}`);
  const handle = await open(path, 'wx+', 0o600);
  await unlink(path);
  return handle;
}
