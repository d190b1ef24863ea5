/** From samples to what is seen: window, palette, colours. Runs in the browser as well. */
import type { DecodedFrame, Samples } from './decode-frame.ts';
import type { ImageDescription, Window } from './image-description.ts';

/** A picture of 8 bits: one channel is grey, three are red, green and blue. */
export interface Picture {
  readonly rows: number;
  readonly columns: number;
  readonly channels: 1 | 3;
  readonly octets: Uint8Array;
}

/** Entries of 16 bits for red, green and blue. */
export type Palette = readonly [Uint16Array, Uint16Array, Uint16Array];

/** Makes a picture. `window` replaces that of the file; without any, the values of the frame decide. */
export function pictureOf(
  description: ImageDescription,
  frame: DecodedFrame,
  window: Window | undefined,
  palette: Palette | undefined,
): Picture {
  const { rows, columns, samples } = description;
  if (palette !== undefined) return { rows, columns, channels: 3, octets: paletteOctets(description, frame, palette) };
  if (samples >= 3) return { rows, columns, channels: 3, octets: colourOctets(description, frame) };
  return { rows, columns, channels: 1, octets: greyOctets(description, frame.samples, window) };
}

function greyOctets(description: ImageDescription, samples: Samples, asked: Window | undefined): Uint8Array {
  const { slope, intercept, photometric, rows, columns } = description;
  const { center, width } = asked ?? description.window ?? windowOfValues(description, samples);
  const isInverse = photometric === 'MONOCHROME1';
  const octets = new Uint8Array(rows * columns);
  // PS3.3, C.11.2.1.2.1: linear between the ends of the window.
  const [low, span] = [center - 0.5 - (width - 1) / 2, Math.max(width - 1, 1)];
  for (let index = 0; index < octets.length; index += 1) {
    const shade = (((samples[index] ?? 0) * slope + intercept - low) / span) * 255;
    const clamped = shade < 0 ? 0 : shade > 255 ? 255 : Math.round(shade);
    octets[index] = isInverse ? 255 - clamped : clamped;
  }
  return octets;
}

/** From the least to the greatest value; what stands for no pixel does not count. */
export function windowOfValues({ slope, intercept, padding }: ImageDescription, samples: Samples): Window {
  let [least, greatest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const sample of samples) {
    if (sample === padding || !Number.isFinite(sample)) continue;
    if (sample < least) least = sample;
    if (sample > greatest) greatest = sample;
  }
  if (greatest < least) return { center: 0, width: 1 };
  const ends = [least * slope + intercept, greatest * slope + intercept];
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  return { center: (low + high + 1) / 2, width: Math.max(high - low + 1, 1) };
}

function paletteOctets({ palette, rows, columns }: ImageDescription, { samples }: DecodedFrame, colours: Palette) {
  const [entries = 0, first = 0, bits = 16] = palette ?? [];
  const octets = new Uint8Array(rows * columns * 3);
  // Palettes of 16 bits are shown with their upper eight; some writers fill only the lower eight of 16.
  const isNarrow = bits <= 8 || colours.every((colour) => colour.every((value) => value < 256));
  for (let index = 0; index < rows * columns; index += 1) {
    const entry = Math.min(Math.max((samples[index] ?? 0) - first, 0), entries - 1);
    for (const [channel, colour] of colours.entries()) {
      const value = colour[entry] ?? 0;
      octets[index * 3 + channel] = isNarrow ? value : value >> 8;
    }
  }
  return octets;
}

function colourOctets(description: ImageDescription, frame: DecodedFrame): Uint8Array {
  const { rows, columns, photometric, bitsStored } = description;
  const pixels = rows * columns;
  const octets = new Uint8Array(pixels * 3);
  const isYbr = !frame.isRgb && photometric.startsWith('YBR');
  const isHalved = isYbr && photometric.endsWith('422') && frame.samples.length < pixels * 3;
  const shift = Math.max(bitsStored - 8, 0);
  for (let index = 0; index < pixels; index += 1) {
    const samples = isHalved ? halved(frame.samples, index) : colour(frame, index, pixels);
    writeColour(octets, index * 3, samples, shift, isYbr);
  }
  return octets;
}

type Colour = readonly [number, number, number];

function colour({ samples, isPlanar }: DecodedFrame, index: number, pixels: number): Colour {
  const [first, step] = isPlanar ? [index, pixels] : [index * 3, 1];
  return [samples[first] ?? 0, samples[first + step] ?? 0, samples[first + 2 * step] ?? 0];
}

/** Y1 Y2 Cb Cr: two pixels share their colours (PS3.3, C.7.6.3.1.2). */
function halved(samples: Samples, index: number): Colour {
  const pair = (index >> 1) * 4;
  return [samples[pair + (index & 1)] ?? 0, samples[pair + 2] ?? 0, samples[pair + 3] ?? 0];
}

function writeColour(octets: Uint8Array, at: number, samples: Colour, shift: number, isYbr: boolean): void {
  const [a, b, c] = [samples[0] >> shift, samples[1] >> shift, samples[2] >> shift];
  const [blue, red] = [b - 128, c - 128];
  octets[at] = isYbr ? octet(a + 1.402 * red) : a;
  octets[at + 1] = isYbr ? octet(a - 0.344_136 * blue - 0.714_136 * red) : b;
  octets[at + 2] = isYbr ? octet(a + 1.772 * blue) : c;
}

function octet(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : Math.round(value);
}

/** Makes a picture smaller, each pixel the mean of those that it stands for; never larger. */
export function shrunk(picture: Picture, mostColumns: number, mostRows: number): Picture {
  const scale = Math.max(picture.columns / mostColumns, picture.rows / mostRows);
  if (!(scale > 1)) return picture;
  const { channels } = picture;
  const [columns, rows] = [
    Math.max(1, Math.round(picture.columns / scale)),
    Math.max(1, Math.round(picture.rows / scale)),
  ];
  const octets = new Uint8Array(rows * columns * channels);
  for (let row = 0; row < rows; row += 1) {
    const [top, bottom] = part(row, rows, picture.rows);
    for (let column = 0; column < columns; column += 1) {
      const [left, right] = part(column, columns, picture.columns);
      for (let channel = 0; channel < channels; channel += 1) {
        let sum = 0;
        for (let y = top; y < bottom; y += 1) {
          for (let x = left; x < right; x += 1)
            sum += picture.octets[(y * picture.columns + x) * channels + channel] ?? 0;
        }
        octets[(row * columns + column) * channels + channel] = Math.round(sum / ((bottom - top) * (right - left)));
      }
    }
  }
  return { rows, columns, channels, octets };
}

function part(index: number, parts: number, whole: number): [number, number] {
  const begin = Math.floor((index * whole) / parts);
  return [begin, Math.max(begin + 1, Math.floor(((index + 1) * whole) / parts))];
}
