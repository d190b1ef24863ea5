/**
 * Memory for whole instances, used again and again: what is allocated anew for each instance has to be found, cleared and
 * tidied up each time, which cost a fifth of a copy.
 */

const smallestBytes = 64 * 1024;
const mostKeptBytes = 16 * 1024 * 1024;

export class BufferPool {
  /** Buffers that nobody uses, by their size: powers of two. */
  readonly #free = new Map<number, ArrayBuffer[]>();
  #keptBytes = 0;

  /** @returns memory of this size, holding whatever was there. */
  take(sizeBytes: number): Uint8Array<ArrayBuffer> {
    if (sizeBytes < smallestBytes) return new Uint8Array(sizeBytes);
    const roomBytes = 2 ** Math.ceil(Math.log2(sizeBytes));
    const kept = this.#free.get(roomBytes)?.pop();
    if (kept !== undefined) this.#keptBytes -= roomBytes;
    return new Uint8Array(kept ?? new ArrayBuffer(roomBytes), 0, sizeBytes);
  }

  /** Takes memory back. Only what nobody will ever look at again may be given back. */
  giveBack({ buffer }: Uint8Array<ArrayBuffer>): void {
    const { byteLength } = buffer;
    if (byteLength < smallestBytes || this.#keptBytes + byteLength > mostKeptBytes) return;
    this.#keptBytes += byteLength;
    const free = this.#free.get(byteLength) ?? [];
    free.push(buffer);
    this.#free.set(byteLength, free);
  }
}
