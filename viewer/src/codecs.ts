/** The codecs in the browser: WebAssembly of our own server, loaded when it is first needed. */
import jpegLs from '@cornerstonejs/codec-charls/decodewasmjs';
import jpeg from '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs';
import jpeg2000 from '@cornerstonejs/codec-openjpeg/decodewasmjs';
import highThroughput from '@cornerstonejs/codec-openjph/wasmjs';
import type { Codecs } from '../../core/open/rendering/decode-frame.ts';

/** A new object each time: a codec makes it its own. */
const options = (): CodecOptions => ({
  locateFile: (name) => `/viewer/${name}`,
  print: () => undefined,
  printErr: () => undefined,
});

let [jpegLibrary, jpegLsLibrary, jpeg2000Library, highThroughputLibrary]: [
  ReturnType<typeof jpeg>?,
  ReturnType<typeof jpegLs>?,
  ReturnType<typeof jpeg2000>?,
  ReturnType<typeof highThroughput>?,
] = [];

export const browserCodecs: Codecs = {
  jpeg: async () => {
    jpegLibrary ??= jpeg(options());
    return new (await jpegLibrary).JPEGDecoder();
  },
  jpegLs: async () => {
    jpegLsLibrary ??= jpegLs(options());
    return new (await jpegLsLibrary).JpegLSDecoder();
  },
  jpeg2000: async () => {
    jpeg2000Library ??= jpeg2000(options());
    return new (await jpeg2000Library).J2KDecoder();
  },
  highThroughput: async () => {
    highThroughputLibrary ??= highThroughput(options());
    return new (await highThroughputLibrary).HTJ2KDecoder();
  },
};
