/**
 * An archive as it was at a moment, as a store: each id once, with the version that was the last one then. Restoring
 * is copying from such a view.
 *
 * The rule: for each id the newest version not later than the moment and not removed before it. An archive writes
 * equal bytes once, so an instance that came back with bytes archived before has no new version; its `returned` record
 * (see `core/deletions/removals.ts`) tells.
 */
import type { Removal } from '../deletions/removals.ts';
import { MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { Archive, ArchivedVersion } from '../stores/archive/archive.ts';
import type {
  CallOptions,
  InventoryEntry,
  InventoryOptions,
  OpenInstance,
  OpenOptions,
  Store,
} from '../stores/store.ts';
import { type InstanceHistory, listHistories, lookUpHistory } from './archive-history.ts';

export interface ViewOptions {
  /** The moment; absent: now. */
  readonly at?: Date | undefined;
  /** Only these instances. */
  readonly only?: ReadonlySet<InstanceId> | undefined;
  /** Only versions that the archive received at this time or later. */
  readonly archivedSince?: Date | undefined;
  /** Also what was removed from the source by then. */
  readonly includeRemoved?: boolean | undefined;
  /** Called by a listing for each instance that is left out because it was removed from the source. */
  readonly onRemoved?: ((id: InstanceId) => void) | undefined;
}

export class ArchiveView implements Store {
  readonly name: string;
  readonly #archive: Archive;
  readonly #options: ViewOptions;

  constructor(archive: Archive, options: ViewOptions = {}) {
    this.name = archive.name;
    this.#archive = archive;
    this.#options = options;
  }

  async *inventory(options: InventoryOptions = {}): AsyncGenerator<InventoryEntry> {
    for await (const history of listHistories(this.#archive, options)) {
      const entry = this.#chosen(history, this.#options.onRemoved);
      if (entry !== undefined) yield entry;
    }
  }

  async lookup(id: InstanceId, options: CallOptions = {}): Promise<readonly InventoryEntry[]> {
    const entry = this.#chosen(await lookUpHistory(this.#archive, id, options));
    return entry === undefined ? [] : [entry];
  }

  async open(id: InstanceId, options: OpenOptions = {}): Promise<OpenInstance> {
    const md5 = options.md5 ?? (await this.lookup(id, options))[0]?.md5;
    if (md5 === undefined) throw new MirrorError('vanished', `${this.name} held no instance ${id} at that time`);
    return this.#archive.open(id, { ...options, md5 });
  }

  /** The archive stays open: it belongs to the caller. */
  async close(): Promise<void> {}

  #chosen(
    { id, versions, removals }: InstanceHistory,
    onRemoved?: (id: InstanceId) => void,
  ): InventoryEntry | undefined {
    const { at, only, archivedSince, includeRemoved = false } = this.#options;
    if (only?.has(id) === false) return undefined;
    const newest = versionAt(versions, [], at);
    if (newest === undefined || (archivedSince !== undefined && newest.archivedAt < archivedSince)) return undefined;
    if (includeRemoved || versionAt(versions, removals, at) !== undefined) return newest;
    onRemoved?.(id);
    return undefined;
  }
}

/** The version that counts at a moment (absent: now); pure. */
export function versionAt(
  versions: readonly ArchivedVersion[],
  removals: readonly Pick<Removal, 'at' | 'kind'>[],
  at: Date | undefined,
): ArchivedVersion | undefined {
  const moment = at?.getTime() ?? Number.POSITIVE_INFINITY;
  const newest = versions
    .filter(({ archivedAt }) => archivedAt.getTime() <= moment)
    .reduce<ArchivedVersion | undefined>(
      (best, one) => (best && best.archivedAt > one.archivedAt ? best : one),
      undefined,
    );
  const last = removals.filter((removal) => removal.at.getTime() <= moment).at(-1);
  const removed = last?.kind === 'removed' && newest !== undefined && last.at >= newest.archivedAt;
  return removed ? undefined : newest;
}
