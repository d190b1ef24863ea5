import type { DestinationStore, Store } from './store.ts';

/**
 * A store that does some things in another way. Only what every store does is passed on: what an archive, say, knows
 * beside would tell of what was changed here.
 */
export function wrapped<Changes extends Partial<DestinationStore>>(store: Store, changes: Changes): Store & Changes {
  return {
    name: store.name,
    inventory: (options) => store.inventory(options),
    lookup: (id, options) => store.lookup(id, options),
    open: (id, options) => store.open(id, options),
    close: () => store.close(),
    ...changes,
  };
}
