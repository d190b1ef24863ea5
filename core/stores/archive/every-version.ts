/** An archive as what is to be read back: every version of every instance, whichever is the current one. */

import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import type { InstanceId } from '../../identifiers.ts';
import type { InventoryEntry, InventoryOptions, OpenInstance, OpenOptions, Store } from '../store.ts';
import type { Archive } from './archive.ts';
import { type InstanceHistory, stateNow } from './history.ts';

/**
 * Lists each version, and those that are recorded as current and have no object any more, in order of id, then of MD5.
 * Opening one of these throws `source-corrupt`: an archive deletes nothing, so somebody else did.
 */
export class EveryVersion implements Store {
  readonly name: string;
  readonly archive: Archive;

  constructor(archive: Archive) {
    this.name = archive.name;
    this.archive = archive;
  }

  async *inventory(options: InventoryOptions = {}): AsyncGenerator<InventoryEntry> {
    for await (const history of this.archive.history.list(options)) yield* entriesOf(history);
  }

  async lookup(id: InstanceId, options: CallOptions = {}): Promise<readonly InventoryEntry[]> {
    return entriesOf(await this.archive.history.of(id, options));
  }

  async open(id: InstanceId, { md5, signal }: OpenOptions = {}): Promise<OpenInstance> {
    const opened = md5 && (await this.archive.openVersion(id, md5, { signal }));
    if (opened !== undefined) return opened;
    throw new MirrorError(
      'source-corrupt',
      `${this.name}: the object of instance ${id} with MD5 ${md5 ?? 'unknown'} is gone; ` +
        'bring it back by a repair of the archive from a store that has it',
      { advice: 'repair-archive' },
    );
  }

  /** The archive stays open: it belongs to the caller. */
  async close(): Promise<void> {}
}

function entriesOf(history: InstanceHistory): readonly InventoryEntry[] {
  const { id, versions } = history;
  const state = stateNow(history);
  return state.kind === 'lost' ? [...versions, { id, md5: state.md5, sizeBytes: undefined }] : versions;
}
