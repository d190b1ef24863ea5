/** Packs samples of one pixel after the other as RLE (PS3.5, annex G), plainly. */
export function packRunLength(bytes: Uint8Array, samples: number, bytesPerSample: number): Uint8Array {
  const pixelBytes = samples * bytesPerSample;
  const segments: Buffer[] = [];
  for (let sample = 0; sample < samples; sample += 1) {
    for (let byte = bytesPerSample - 1; byte >= 0; byte -= 1) {
      const plane = bytes.filter((_, index) => index % pixelBytes === sample * bytesPerSample + byte);
      segments.push(packSegment(plane));
    }
  }
  const header = Buffer.alloc(64);
  header.writeUInt32LE(segments.length, 0);
  let offset = header.length;
  for (const [index, segment] of segments.entries()) {
    header.writeUInt32LE(offset, 4 * (index + 1));
    offset += segment.length;
  }
  return Buffer.concat([header, ...segments]);
}

function packSegment(plane: Uint8Array): Buffer {
  const packed: number[] = [];
  for (let at = 0; at < plane.length; ) {
    let run = 1;
    while (run < 128 && plane[at + run] === plane[at]) run += 1;
    if (run > 1) packed.push(257 - run, plane[at] ?? 0);
    else packed.push(0, plane[at] ?? 0);
    at += run;
  }
  if (packed.length % 2 === 1) packed.push(0);
  return Buffer.from(packed);
}
