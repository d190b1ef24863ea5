import type { Transform } from 'node:stream';

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

/** What is given to a decompressor at once; it can unfold to a thousand times as much. */
const blockBytes = 4 * 1024;

/**
 * Passes bytes through a decompressor of `node:zlib`, block by block, and gives it up when the caller stops.
 *
 * What comes before damage is given before the error. How much that is depends on the bytes alone, not on the pieces in
 * which they arrive: a header is read in the same way from a fast line and from a slow one.
 *
 * Throws {@link InflateError} for damaged bytes, {@link InflatedTooFar} for too many, and what `compressed` throws as it
 * is. Of what is too much no more is kept than one block unfolds to.
 */
export async function* inflated(
  compressed: AsyncIterable<Uint8Array>,
  decompressor: Transform,
  limits: InflateLimits = unlimited,
): AsyncGenerator<Uint8Array> {
  let foldedBytes = 0;
  let unfoldedBytes = 0;
  let unfolded: Buffer[] = [];
  let failure: unknown;
  decompressor.on('data', (chunk: Buffer) => {
    unfolded.push(chunk);
    unfoldedBytes += chunk.byteLength;
    const most = Math.min(limits.mostBytes, Math.max(limits.floorBytes, limits.ratio * foldedBytes));
    if (unfoldedBytes > most) decompressor.destroy(new InflatedTooFar('the compressed bytes unfold too far'));
  });
  decompressor.on('error', (error) => {
    failure ??= error;
  });
  const end = new Promise<void>((resolve) => {
    decompressor.once('end', resolve).once('close', resolve);
  });
  function* taken(): Generator<Uint8Array> {
    const chunks = unfolded;
    unfolded = [];
    yield* chunks;
    if (failure instanceof InflatedTooFar) throw failure;
    if (failure !== undefined) throw new InflateError('the compressed bytes are damaged', { cause: failure });
  }
  try {
    for await (const block of inBlocks(compressed)) {
      foldedBytes += block.byteLength;
      const written = new Promise<void>((resolve) => {
        decompressor.write(block, () => resolve());
      });
      // Where the compressed bytes end within a block, no answer to the block comes.
      await Promise.race([written, end]);
      yield* taken();
      if (decompressor.readableEnded) return;
    }
    decompressor.end();
    await end;
    yield* taken();
  } finally {
    decompressor.destroy();
  }
}

/** The same bytes in blocks of {@link blockBytes}, counted from the first byte; only the last may be smaller. */
async function* inBlocks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let block = Buffer.alloc(blockBytes);
  let filled = 0;
  for await (const chunk of chunks) {
    for (let at = 0; at < chunk.byteLength; ) {
      const part = chunk.subarray(at, at + blockBytes - filled);
      block.set(part, filled);
      filled += part.byteLength;
      at += part.byteLength;
      if (filled < blockBytes) continue;
      yield block;
      block = Buffer.alloc(blockBytes);
      filled = 0;
    }
  }
  if (filled > 0) yield block.subarray(0, filled);
}
