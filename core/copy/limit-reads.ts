import type { OpenInstance, Store } from '../stores/store.ts';
import { wrapped } from '../stores/wrapped.ts';
import type { ByteRate } from './byte-rate.ts';

/**
 * The same store, whose instances are read no faster than `rate`; so nothing that is copied from it is written faster.
 * Listings and questions are not slowed down.
 */
export function limitReads(store: Store, rate: ByteRate): Store {
  return wrapped(store, {
    async open(id, options): Promise<OpenInstance> {
      const opened = await store.open(id, options);
      return { ...opened, body: slowly(opened.body, rate, options?.signal), cancel: () => opened.cancel() };
    },
  });
}

async function* slowly(
  body: AsyncIterable<Uint8Array>,
  rate: ByteRate,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    await rate.take(chunk.byteLength, signal);
    yield chunk;
  }
}
