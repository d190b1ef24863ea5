/** Cutting a stream into the parts of a multipart upload, with bounded memory. */

const mebibyte = 1024 * 1024;
/** Most parts that S3 accepts. */
const mostParts = 10_000;

/** @returns how many bytes each part of an upload has, but the last: at least `least`, more for very large objects. */
export function partBytesFor(sizeBytes: number, least: number): number {
  const needed = Math.ceil(sizeBytes / mostParts / mebibyte) * mebibyte;
  return Math.max(least, needed);
}

/** Buffers of one size, used again once they were given back. */
export class PartBuffers {
  readonly #sizeBytes: number;
  readonly #free: Buffer[] = [];

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#sizeBytes);
  }

  /** Only for a buffer that nobody reads any more. */
  giveBack(buffer: Buffer): void {
    this.#free.push(buffer);
  }
}

/** One part: its bytes, and the buffer to give back. */
export interface Part {
  readonly bytes: Uint8Array;
  readonly buffer: Buffer;
}

/** Yields the bytes of `body` in parts that fill a buffer each, but the last. */
export async function* inParts(body: AsyncIterable<Uint8Array>, buffers: PartBuffers): AsyncGenerator<Part> {
  let buffer = buffers.take();
  let filled = 0;
  for await (const chunk of body) {
    for (let offset = 0; offset < chunk.length; ) {
      if (filled === buffer.length) {
        yield { bytes: buffer, buffer };
        buffer = buffers.take();
        filled = 0;
      }
      const copied = Math.min(chunk.length - offset, buffer.length - filled);
      buffer.set(chunk.subarray(offset, offset + copied), filled);
      offset += copied;
      filled += copied;
    }
  }
  yield { bytes: buffer.subarray(0, filled), buffer };
}
