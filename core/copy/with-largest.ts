import { MirrorError } from '../errors.ts';
import type { Store } from '../stores/store.ts';

/** The same store, which opens no instance above `largestBytes`: throws `too-large` as soon as the store tells the size. */
export function withLargest(store: Store, largestBytes: number): Store {
  return {
    name: store.name,
    inventory: (options) => store.inventory(options),
    lookup: (id, options) => store.lookup(id, options),
    close: () => store.close(),
    async open(id, options) {
      const opened = await store.open(id, options);
      if (opened.sizeBytes <= largestBytes) return opened;
      opened.cancel();
      throw new MirrorError('too-large', `instance ${id} has ${opened.sizeBytes} bytes, too many for this lane`);
    },
  };
}
