/**
 * An archive as it was at a moment, as a store: each id once, with the version that was the last one then. Restoring
 * is copying from such a view.
 *
 * The rule: for each id the newest version not later than the moment and not removed before it. An archive writes
 * equal bytes once, so an instance that came back with bytes archived before has no new version; its `returned` record
 * (see `core/deletions/removals.ts`) tells.
 */
import { mergeJoin } from '../compare/merge-join.ts';
import { listRemovals, type Removal } from '../deletions/removals.ts';
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
    const joined = mergeJoin([this.#archive.inventory(options), this.#removals(options)]);
    for await (const { held } of joined) {
      const [versions = [], removals = []] = held;
      const entry = this.#chosen(versions.filter(isVersion), removals.filter(isRemovalEntry), this.#options.onRemoved);
      if (entry !== undefined) yield entry;
    }
  }

  async lookup(id: InstanceId, options: CallOptions = {}): Promise<readonly InventoryEntry[]> {
    const versions = await this.#archive.lookup(id, options);
    const removals: RemovalEntry[] = [];
    for await (const removal of listRemovals(this.#archive.objects, { ...options, only: id })) {
      removals.push(entryOf(removal));
    }
    const entry = this.#chosen(versions, removals);
    return entry === undefined ? [] : [entry];
  }

  async open(id: InstanceId, options: OpenOptions = {}): Promise<OpenInstance> {
    const md5 = options.md5 ?? (await this.lookup(id, options))[0]?.md5;
    if (md5 === undefined) throw new MirrorError('vanished', `${this.name} held no instance ${id} at that time`);
    return this.#archive.open(id, { ...options, md5 });
  }

  /** The archive stays open: it belongs to the caller. */
  async close(): Promise<void> {}

  async *#removals(options: InventoryOptions): AsyncGenerator<RemovalEntry> {
    for await (const removal of listRemovals(this.#archive.objects, options)) yield entryOf(removal);
  }

  #chosen(
    versions: readonly ArchivedVersion[],
    removals: readonly RemovalEntry[],
    onRemoved?: (id: InstanceId) => void,
  ): InventoryEntry | undefined {
    const { at, only, archivedSince, includeRemoved = false } = this.#options;
    const id = versions[0]?.id;
    if (id === undefined || only?.has(id) === false) return undefined;
    const newest = versionAt(versions, [], at);
    if (newest === undefined || (archivedSince !== undefined && newest.archivedAt < archivedSince)) return undefined;
    if (includeRemoved || versionAt(versions, removals, at) !== undefined) return newest;
    onRemoved?.(id);
    return undefined;
  }
}

/** A record of `removals/` in the form of an inventory, so that it can be joined with one. */
type RemovalEntry = InventoryEntry & Removal;

function entryOf(removal: Removal): RemovalEntry {
  return { ...removal, md5: undefined, sizeBytes: undefined };
}

function isVersion(entry: InventoryEntry): entry is ArchivedVersion {
  return 'archivedAt' in entry;
}

function isRemovalEntry(entry: InventoryEntry): entry is RemovalEntry {
  return 'kind' in entry;
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
