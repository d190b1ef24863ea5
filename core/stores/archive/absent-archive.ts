/** What stands for an archive that cannot be opened, so that the other destinations are served all the same. */
import { MirrorError } from '../../errors.ts';
import type { DestinationStore } from '../store.ts';

/** An archive that does not exist yet, as a dry run sees it: it holds nothing and takes nothing. */
export function emptyArchive(name: string): DestinationStore {
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

/** An archive that fails whatever it is asked, with the error that kept it from being opened. */
export function failingArchive(name: string, error: MirrorError): DestinationStore {
  const fail = async () => {
    throw error;
  };
  return {
    name,
    inventory: () => ({ [Symbol.asyncIterator]: () => ({ next: fail }) }),
    lookup: fail,
    open: fail,
    store: fail,
    close: async () => undefined,
  };
}
