import { Readable, type Transform } from 'node:stream';

/** The compressed bytes are damaged or end early. */
export class InflateError extends Error {
  override readonly name = 'InflateError';
}

/** The compressed bytes unfold to more than they may. */
export class InflatedTooFar extends Error {
  override readonly name = 'InflatedTooFar';
}

/** What compressed bytes may unfold to: `ratio` times their size, but not less than `floorBytes`; never `mostBytes`. */
export interface InflateLimits {
  readonly ratio: number;
  readonly floorBytes: number;
  readonly mostBytes: number;
}

/** For bytes whose unfolded size somebody else bounds. */
const unlimited: InflateLimits = {
  ratio: Number.POSITIVE_INFINITY,
  floorBytes: 0,
  mostBytes: Number.POSITIVE_INFINITY,
};

/**
 * Passes bytes through a decompressor of `node:zlib`, with its back-pressure, and gives up both when the caller stops.
 *
 * Throws {@link InflateError} for damaged bytes, {@link InflatedTooFar} for too many, and what `compressed` throws as it
 * is. Of what is too much no more is unfolded than one chunk.
 */
export async function* inflated(
  compressed: AsyncIterable<Uint8Array>,
  decompressor: Transform,
  limits: InflateLimits = unlimited,
): AsyncGenerator<Uint8Array> {
  let foldedBytes = 0;
  let unfoldedBytes = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of compressed) {
      foldedBytes += chunk.byteLength;
      yield chunk;
    }
  }
  const source = Readable.from(counted());
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
      unfoldedBytes += chunk.byteLength;
      const most = Math.min(limits.mostBytes, Math.max(limits.floorBytes, limits.ratio * foldedBytes));
      if (unfoldedBytes > most) throw new InflatedTooFar('the compressed bytes unfold too far');
      yield chunk;
    }
  } catch (error) {
    if (error === sourceError || error instanceof InflatedTooFar) {
      throw error;
    }
    throw new InflateError('the compressed bytes are damaged', { cause: error });
  } finally {
    source.destroy();
    decompressor.destroy();
  }
}
