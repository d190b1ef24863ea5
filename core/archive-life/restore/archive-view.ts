/**
 * An archive as it was at a moment, as a store: each id once, with the version that was the current one then. Restoring
 * is copying from such a view. Which version that is, `core/stores/archive/history.ts` says. A view of now reads no record.
 */

import { MirrorError } from '../../errors.ts';
import type { InstanceId, Md5 } from '../../identifiers.ts';
import type { Archive } from '../../stores/archive/archive.ts';
import type { DatedOptions, LookUpOptions } from '../../stores/archive/archive-history.ts';
import {
  type ArchivedVersion,
  type DatedHistory,
  type InstanceState,
  sinceWhen,
  stateAt,
  stateNow,
} from '../../stores/archive/history.ts';
import type { InventoryEntry, InventoryOptions, OpenInstance, OpenOptions, Store } from '../../stores/store.ts';

/** What a listing of a view leaves out, or is not sure of. */
export interface ViewObserver {
  /** It is left out because it was removed from the source. */
  onRemoved?(id: InstanceId): void;
  /** Several versions, and nothing is recorded: the view takes the newest by the times of the objects. */
  onUndecided?(id: InstanceId): void;
  /** It is left out because the object of the version that counts is gone. */
  onLost?(id: InstanceId, md5: Md5): void;
}

export interface ViewOptions extends Pick<DatedOptions, 'onUnreadable'> {
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
    for await (const seen of this.#seen(options)) {
      const entry = this.#chosen(seen, this.#options.observer);
      if (entry !== undefined) yield entry;
    }
  }

  async lookup(id: InstanceId, options: LookUpOptions = {}): Promise<readonly InventoryEntry[]> {
    if (this.#options.only?.has(id) === false) return [];
    const { history } = this.#archive;
    const entry = this.#chosen(
      this.#looksBack
        ? this.#inThePast(await history.datedOf(id, options))
        : { id, state: stateNow(await history.of(id, options)), since: undefined },
    );
    return entry === undefined ? [] : [entry];
  }

  async open(id: InstanceId, options: OpenOptions = {}): Promise<OpenInstance> {
    const md5 = options.md5 ?? (await this.lookup(id, options))[0]?.md5;
    if (md5 === undefined) throw new MirrorError('vanished', `${this.name} held no instance ${id} at that time`);
    return this.#archive.open(id, { ...options, md5 });
  }

  /** The archive stays open: it belongs to the caller. */
  async close(): Promise<void> {}

  /** Whether it takes more than the keys of the records to tell what is in it. */
  get #looksBack(): boolean {
    return this.#options.at !== undefined || this.#options.since !== undefined;
  }

  async *#seen(options: InventoryOptions): AsyncGenerator<Seen> {
    const { only, onUnreadable } = this.#options;
    const { history } = this.#archive;
    if (this.#looksBack) {
      for await (const dated of history.listDated({ ...options, only, onUnreadable })) yield this.#inThePast(dated);
      return;
    }
    for await (const known of history.list(options)) {
      if (only?.has(known.id) !== false) yield { id: known.id, state: stateNow(known), since: undefined };
    }
  }

  #inThePast(history: DatedHistory): Seen {
    const { at } = this.#options;
    const state = at === undefined ? stateNow(history) : stateAt(history, at);
    return { id: history.id, state, since: sinceWhen(state) };
  }

  #chosen({ id, state, since }: Seen, observer: ViewObserver = {}): InventoryEntry | undefined {
    const version = this.#versionOf(id, state, observer);
    const { since: earliest } = this.#options;
    return earliest !== undefined && since !== undefined && since < earliest ? undefined : version;
  }

  #versionOf(id: InstanceId, state: InstanceState, observer: ViewObserver): ArchivedVersion | undefined {
    switch (state.kind) {
      case 'absent':
        return undefined;
      case 'held':
        return state.version;
      case 'undecided':
        observer.onUndecided?.(id);
        return state.newest;
      case 'lost':
        observer.onLost?.(id, state.md5);
        return undefined;
      case 'removed':
        if (this.#options.includeRemoved === true && state.before !== undefined) return state.before;
        observer.onRemoved?.(id);
        return undefined;
    }
  }
}

/** What the archive has of an instance; `since` where the view looks back. */
interface Seen {
  readonly id: InstanceId;
  readonly state: InstanceState;
  readonly since: Date | undefined;
}
