/** The packages of the Cornerstone project that wrap codecs written in C++; they bring no types of their own. */

interface CodecFrameInfo {
  readonly width: number;
  readonly height: number;
  readonly bitsPerSample: number;
  readonly componentCount: number;
  readonly isSigned?: boolean;
}

interface CodecDecoder {
  /** Memory of the codec for so many bytes, to be filled. */
  getEncodedBuffer(sizeBytes: number): Uint8Array;
  decode(): void;
  getFrameInfo(): CodecFrameInfo;
  /** Memory of the codec, valid until the next call. */
  getDecodedBuffer(): Uint8Array;
  /** JPEG-LS only: 0 is plane by plane. */
  getInterleaveMode?(): number;
  delete(): void;
}

interface CodecEncoder {
  getDecodedBuffer(
    info: CodecFrameInfo & { readonly isSigned: boolean; readonly isUsingColorTransform?: boolean },
  ): Uint8Array;
  setQuality(percent: number): void;
  encode(): void;
  getEncodedBuffer(): Uint8Array;
  delete(): void;
}

interface CodecOptions {
  /** Where a file that the codec names lies. */
  readonly locateFile?: (name: string) => string;
  /** What the codec has to say goes to stdout and stderr otherwise. */
  readonly print?: (text: string) => void;
  readonly printErr?: (text: string) => void;
}

declare module '@cornerstonejs/codec-openjpeg/decodewasmjs' {
  const factory: (options?: CodecOptions) => Promise<{ J2KDecoder: new () => CodecDecoder }>;
  export default factory;
}

declare module '@cornerstonejs/codec-openjph/wasmjs' {
  const factory: (
    options?: CodecOptions,
  ) => Promise<{ HTJ2KDecoder: new () => CodecDecoder; HTJ2KEncoder: new () => CodecEncoder }>;
  export default factory;
}

declare module '@cornerstonejs/codec-charls/decodewasmjs' {
  const factory: (options?: CodecOptions) => Promise<{ JpegLSDecoder: new () => CodecDecoder }>;
  export default factory;
}

declare module '@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs' {
  const factory: (options?: CodecOptions) => Promise<{ JPEGDecoder: new () => CodecDecoder }>;
  export default factory;
}

declare module '@cornerstonejs/codec-charls/wasmjs' {
  const factory: (options?: CodecOptions) => Promise<{ JpegLSEncoder: new () => CodecEncoder }>;
  export default factory;
}

declare module '@cornerstonejs/codec-openjpeg/wasmjs' {
  const factory: (options?: CodecOptions) => Promise<{ J2KEncoder: new () => CodecEncoder }>;
  export default factory;
}
