import { MirrorError } from '../errors.ts';
import type { Store } from '../stores/store.ts';
import { wrapped } from '../stores/wrapped.ts';

/** The same store, which opens no instance above `largestBytes`: throws `too-large` as soon as the store tells the size. */
export function withLargest(store: Store, largestBytes: number): Store {
  return wrapped(store, {
    open: async (id, options) => {
      const opened = await store.open(id, options);
      if (opened.sizeBytes <= largestBytes) return opened;
      opened.cancel();
      throw new MirrorError('too-large', `instance ${id} has ${opened.sizeBytes} bytes, too many for this lane`);
    },
  });
}
