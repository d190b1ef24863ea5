/** RLE (PS3.5, annex G): each byte of each sample is a segment of its own, packed. Runs in the browser as well. */

const headerBytes = 64;

/**
 * Unpacks a frame. @returns the samples plane by plane, in little endian.
 * Throws `RangeError` if the segments are not those of such an image.
 */
export function unpackRunLength(
  bytes: Uint8Array,
  pixels: number,
  samples: number,
  bytesPerSample: number,
): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const segments = bytes.length < headerBytes ? 0 : view.getUint32(0, true);
  if (segments !== samples * bytesPerSample) throw new RangeError('the RLE segments are not those of such an image');
  const planes = new Uint8Array(pixels * segments);
  for (let segment = 0; segment < segments; segment += 1) {
    const begin = view.getUint32(4 * (segment + 1), true);
    const next = segment + 1 < segments ? view.getUint32(4 * (segment + 2), true) : bytes.length;
    const sample = Math.floor(segment / bytesPerSample);
    // The most significant byte of a sample comes first.
    const byte = bytesPerSample - 1 - (segment % bytesPerSample);
    const first = sample * pixels * bytesPerSample + byte;
    unpackSegment(bytes.subarray(begin, next), planes, first, bytesPerSample, pixels);
  }
  return planes;
}

function unpackSegment(packed: Uint8Array, into: Uint8Array, first: number, step: number, pixels: number): void {
  let written = 0;
  for (let at = 0; at < packed.length && written < pixels; ) {
    const code = packed[at] ?? 0;
    at += 1;
    if (code === 128) continue;
    const isRun = code > 128;
    const count = Math.min(isRun ? 257 - code : code + 1, pixels - written);
    for (let index = 0; index < count; index += 1) {
      into[first + (written + index) * step] = packed[isRun ? at : at + index] ?? 0;
    }
    written += count;
    at += isRun ? 1 : code + 1;
  }
}
