/** The codecs in Node: each is loaded once, when it is first needed. */
import { createRequire } from 'node:module';
import type { Codecs } from './rendering/decode-frame.ts';

/** WebAssembly that is packed with a program of which there are no modules; the browser fetches the same. */
const packed = new URL('../../viewer/dist/', import.meta.url).pathname;

/** Of a codec whose WebAssembly lies in a module. A new object each time: a codec makes it its own. */
const silent = (wasm: string): CodecOptions => ({
  locateFile: (name) => {
    try {
      return require.resolve(wasm);
    } catch {
      return `${packed}${name}`;
    }
  },
  print: () => undefined,
  printErr: () => undefined,
});

const require = createRequire(import.meta.url);

let jpegLibrary: Promise<{ JPEGDecoder: new () => CodecDecoder }> | undefined;
let jpegLsLibrary: Promise<{ JpegLSDecoder: new () => CodecDecoder }> | undefined;
let jpeg2000Library: Promise<{ J2KDecoder: new () => CodecDecoder }> | undefined;
let highThroughputLibrary: Promise<{ HTJ2KDecoder: new () => CodecDecoder }> | undefined;

export const nodeCodecs: Codecs = {
  jpeg: async () => new (await jpeg()).JPEGDecoder(),
  jpegLs: async () => {
    jpegLsLibrary ??= import('@cornerstonejs/codec-charls/decodewasmjs').then((codec) =>
      codec.default(silent('@cornerstonejs/codec-charls/decodewasm')),
    );
    return new (await jpegLsLibrary).JpegLSDecoder();
  },
  jpeg2000: async () => {
    jpeg2000Library ??= import('@cornerstonejs/codec-openjpeg/decodewasmjs').then((codec) =>
      codec.default(silent('@cornerstonejs/codec-openjpeg/decodewasm')),
    );
    return new (await jpeg2000Library).J2KDecoder();
  },
  highThroughput: async () => {
    highThroughputLibrary ??= import('@cornerstonejs/codec-openjph/wasmjs').then((codec) =>
      codec.default(silent('@cornerstonejs/codec-openjph/wasm')),
    );
    return new (await highThroughputLibrary).HTJ2KDecoder();
  },
};

function jpeg() {
  jpegLibrary ??= import('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs').then((codec) =>
    codec.default(silent('@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasm')),
  );
  return jpegLibrary;
}
