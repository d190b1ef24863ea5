import { MirrorError } from '../core/errors.ts';
import type { DestinationStore } from '../core/stores/store.ts';

/** A destination that does not exist yet, as a dry run sees it: it holds nothing and takes nothing. */
export function emptyDestination(name: string): DestinationStore {
  const refuse = async () => {
    throw new MirrorError('read-only', `${name} does not exist yet`);
  };
  return {
    name,
    async *inventory() {},
    lookup: async () => [],
    open: refuse,
    store: refuse,
    close: async () => undefined,
  };
}
