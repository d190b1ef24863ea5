import type { Store } from '../../stores/store.ts';
import { wrapped } from '../../stores/wrapped.ts';

/**
 * What was restored, as a store to be verified: lists what the view of the archive promises, and reads what the target
 * delivers. An instance that the target does not hold shows as vanished.
 */
export function readBack(view: Store, target: Store): Store {
  return wrapped(target, {
    inventory: (options) => view.inventory(options),
    lookup: (id, options) => view.lookup(id, options),
    close: async () => undefined,
  });
}
