import { Readable, type Transform } from 'node:stream';

/** The compressed bytes are damaged or end early. */
export class InflateError extends Error {
  override readonly name = 'InflateError';
}

/**
 * Passes bytes through a decompressor of `node:zlib`, with its back-pressure, and gives up both when the caller stops.
 *
 * Throws {@link InflateError} for damaged bytes, and what `compressed` throws as it is.
 */
export async function* inflated(
  compressed: AsyncIterable<Uint8Array>,
  decompressor: Transform,
): AsyncGenerator<Uint8Array> {
  const source = Readable.from(compressed);
  let sourceError: Error | undefined;
  source.on('error', (error) => {
    sourceError = error;
    decompressor.destroy(error);
  });
  // Kept on: a decompressor can emit an error again while it is being destroyed.
  decompressor.on('error', () => source.destroy());
  source.pipe(decompressor);
  try {
    for await (const chunk of decompressor as AsyncIterable<Buffer>) {
      yield chunk;
    }
  } catch (error) {
    if (error === sourceError) {
      throw error;
    }
    throw new InflateError('the compressed bytes are damaged', { cause: error });
  } finally {
    source.destroy();
    decompressor.destroy();
  }
}
