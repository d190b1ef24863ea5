/**
 * An archive as it was at a moment, as a store: each id once, with the version that was the current one then. Restoring
 * is copying from such a view. Which version that is, `stateAt` says (`core/stores/archive/history.ts`).
 */
import { MirrorError } from '../errors.ts';
import type { InstanceId, Md5 } from '../identifiers.ts';
import type { Archive } from '../stores/archive/archive.ts';
import { type ArchivedVersion, type InstanceHistory, stateAt } from '../stores/archive/history.ts';
import type {
  CallOptions,
  InventoryEntry,
  InventoryOptions,
  OpenInstance,
  OpenOptions,
  Store,
} from '../stores/store.ts';

/** What a listing of a view leaves out, or is not sure of. */
export interface ViewObserver {
  /** It is left out because it was removed from the source. */
  onRemoved?(id: InstanceId): void;
  /** Several versions, and nothing is recorded: the view takes the newest by the times of the objects. */
  onUnsettled?(id: InstanceId): void;
  /** It is left out because the object of the version that counts is gone. */
  onLost?(id: InstanceId, md5: Md5): void;
}

export interface ViewOptions {
  /** The moment; absent: now. */
  readonly at?: Date | undefined;
  /** Only these instances. */
  readonly only?: ReadonlySet<InstanceId> | undefined;
  /** Only what is so since this time or later. */
  readonly since?: Date | undefined;
  /** Also what was removed from the source by then. */
  readonly includeRemoved?: boolean | undefined;
  /** Told of by listings. */
  readonly observer?: ViewObserver | undefined;
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
    for await (const history of this.#archive.history.list(options)) {
      const entry = this.#chosen(history, this.#options.observer);
      if (entry !== undefined) yield entry;
    }
  }

  async lookup(id: InstanceId, options: CallOptions = {}): Promise<readonly InventoryEntry[]> {
    const entry = this.#chosen(await this.#archive.history.of(id, options));
    return entry === undefined ? [] : [entry];
  }

  async open(id: InstanceId, options: OpenOptions = {}): Promise<OpenInstance> {
    const md5 = options.md5 ?? (await this.lookup(id, options))[0]?.md5;
    if (md5 === undefined) throw new MirrorError('vanished', `${this.name} held no instance ${id} at that time`);
    return this.#archive.open(id, { ...options, md5 });
  }

  /** The archive stays open: it belongs to the caller. */
  async close(): Promise<void> {}

  #chosen(history: InstanceHistory, observer: ViewObserver = {}): InventoryEntry | undefined {
    const { only, since } = this.#options;
    if (only?.has(history.id) === false) return undefined;
    const found = this.#versionOf(history, observer);
    return found === undefined || (since !== undefined && found.since < since) ? undefined : found.version;
  }

  #versionOf(
    history: InstanceHistory,
    observer: ViewObserver,
  ): { readonly version: ArchivedVersion; readonly since: Date } | undefined {
    const { at, includeRemoved = false } = this.#options;
    const { id } = history;
    const state = stateAt(history, at);
    switch (state.kind) {
      case 'absent':
        return undefined;
      case 'held':
        return state;
      case 'unsettled':
        observer.onUnsettled?.(id);
        return { version: state.newest, since: state.newest.archivedAt };
      case 'lost':
        observer.onLost?.(id, state.md5);
        return undefined;
      case 'removed':
        if (includeRemoved && state.before !== undefined) return { version: state.before, since: state.since };
        observer.onRemoved?.(id);
        return undefined;
    }
  }
}
