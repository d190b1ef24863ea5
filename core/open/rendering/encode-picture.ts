/** Pictures as PNG and JPEG. */
import { crc32, deflateSync } from 'node:zlib';
import { encode } from 'jpeg-js';
import type { Picture } from './display.ts';

const pngSignature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** PNG (ISO 15948): one chunk of pixels, each row told from the one above. */
export function encodePng({ rows, columns, channels, octets }: Picture): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(columns, 0);
  header.writeUInt32BE(rows, 4);
  header.set([8, channels === 1 ? 0 : 2, 0, 0, 0], 8);
  const rowBytes = columns * channels;
  const filtered = Buffer.alloc(rows * (rowBytes + 1));
  for (let row = 0; row < rows; row += 1) {
    const [at, from] = [row * (rowBytes + 1), row * rowBytes];
    // Filter 2, "up": the difference to the row above, which compresses well in pictures of people.
    filtered[at] = 2;
    for (let index = 0; index < rowBytes; index += 1) {
      const above = row === 0 ? 0 : (octets[from - rowBytes + index] ?? 0);
      filtered[at + 1 + index] = ((octets[from + index] ?? 0) - above) & 0xff;
    }
  }
  return Buffer.concat([
    pngSignature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(filtered, { level: 3 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, content: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), content]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(content.length, 0);
  ends.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}

/** JPEG of a quality from 1 to 100. */
export function encodeJpeg({ rows, columns, channels, octets }: Picture, quality: number): Uint8Array {
  const rgba = Buffer.alloc(rows * columns * 4, 255);
  for (let index = 0; index < rows * columns; index += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      rgba[4 * index + channel] = octets[index * channels + (channels === 3 ? channel : 0)] ?? 0;
    }
  }
  return encode({ width: columns, height: rows, data: rgba }, quality).data;
}
