/**
 * The records of an archive's history: what was the current version of each instance, and when the source had none.
 *
 *     history/<orthanc id>/<n>-<UTC time>-current-<md5>.json     from now on this version is what the source holds
 *     history/<orthanc id>/<n>-<UTC time>-removed.json           the source no longer has it
 *     history/<orthanc id>/<n>-<UTC time>-imported-<md5>.json    this version came another way; the source had none
 *
 * A record is written once and never changed. Everything that decides is in its key, so that listing the keys is reading
 * the history; what is in it is for people.
 */
import { type InstanceId, type Md5, md5Of } from '../../identifiers.ts';
import { mergeJoin } from '../../streams/merge-join.ts';
import type { CallOptions, InventoryOptions } from '../store.ts';
import {
  type ArchivedVersion,
  type InstanceHistory,
  type NewRecord,
  newestOf,
  nextRecord,
  recordsThatCount,
  stateAt,
} from './history.ts';
import { documentBytes } from './json-document.ts';
import { afterId, folders, type HistoryRecord, historyFolder, historyKey, instanceFolder, parseKey } from './keys.ts';
import type { ObjectEntry, ObjectStorage } from './object-storage.ts';

/** Who writes to an archive. */
export type ArchiveWriter = 'run' | 'scheduler' | 'transfer' | 'repair' | 'import' | 'inbox';

/** Whether what a writer stores is what the archive's source holds. */
export function speaksForSource(writer: ArchiveWriter): boolean {
  return writer !== 'import' && writer !== 'inbox';
}

export interface ArchiveHistoryOptions {
  readonly writer: ArchiveWriter;
  readonly now: () => Date;
}

export class ArchiveHistory {
  readonly #objects: ObjectStorage;
  readonly #options: ArchiveHistoryOptions;

  constructor(objects: ObjectStorage, options: ArchiveHistoryOptions) {
    this.#objects = objects;
    this.#options = options;
  }

  /** The history of every instance, in order of id: one pass over the keys, memory per instance only. */
  async *list(options: InventoryOptions = {}): AsyncGenerator<InstanceHistory> {
    const lists = [this.versions(options), this.#listRecords(options)];
    for await (const { id, held } of mergeJoin<ArchivedVersion | HistoryRecord>(lists)) {
      const [versions = [], records = []] = held;
      const listed = { id, versions: versions.filter(isVersion), records: records.filter(isRecord) };
      const { kind } = stateAt(listed);
      // Objects and records are listed at different moments: what seems to be missing may have come in between.
      yield kind === 'unsettled' || kind === 'lost' ? await this.#lookUp(id, options) : listed;
    }
  }

  /** Every version of every instance, in order of id, then of MD5. Objects that are not of the format are passed over. */
  async *versions({ after, signal }: InventoryOptions = {}): AsyncGenerator<ArchivedVersion> {
    const afterKey = after === undefined ? undefined : afterId(folders.instances, after);
    for await (const object of this.#objects.list(folders.instances, { after: afterKey, signal })) {
      const version = versionOf(object);
      if (version !== undefined) yield version;
    }
  }

  /** The history of one instance, if the archive has a version of it: one request if it has none, else two. */
  async of(id: InstanceId, { signal }: CallOptions = {}): Promise<InstanceHistory> {
    const versions = await this.#versionsOf(id, { signal });
    return { id, versions, records: versions.length === 0 ? [] : await this.#recordsOf(id, { signal }) };
  }

  /**
   * Records the first version, with the time of its object, if nothing is recorded yet: before anything else is added
   * under the id. @returns the history with it.
   */
  async withFirst(history: InstanceHistory, options: CallOptions = {}): Promise<InstanceHistory> {
    const first = newestOf(history.versions);
    if (first === undefined || recordsThatCount(history).length > 0) return history;
    return this.#add(history, { what: 'current', md5: first.md5 }, first.archivedAt, 'object', options);
  }

  /**
   * Records a version whose object is lost, with a time at which it was held, if nothing is recorded: before it is put
   * back, and before what came since, so that this goes on to count.
   */
  async recordLost({ id, md5 }: { readonly id: InstanceId; readonly md5: Md5 }, heldAt: Date, options: CallOptions) {
    const found = await this.#lookUp(id, options);
    if (found.records.length > 0) return;
    const lost = await this.#add(found, { what: 'current', md5 }, heldAt, 'object', options);
    const since = newestOf(found.versions);
    if (since !== undefined) {
      await this.#add(lost, { what: 'current', md5: since.md5 }, since.archivedAt, 'object', options);
    }
  }

  /** Records something new, after what happened before. @returns the history with it. */
  async append(history: InstanceHistory, record: NewRecord, options: CallOptions = {}): Promise<InstanceHistory> {
    const origin = record.what === 'imported' ? 'import' : 'source';
    return this.#add(await this.withFirst(history, options), record, this.#options.now(), origin, options);
  }

  async #add(
    history: InstanceHistory,
    wanted: NewRecord,
    at: Date,
    origin: 'source' | 'import' | 'object',
    options: CallOptions,
  ): Promise<InstanceHistory> {
    const record = nextRecord(history, wanted, at);
    const bytes = documentBytes({
      format: 'orthanc-mirror-history',
      version: 1,
      ...record,
      at: record.at.toISOString(),
      observedBy: this.#options.writer,
      origin,
    });
    await this.#objects.putOnce(historyKey(record), bytes, {
      sizeBytes: bytes.length,
      md5: md5Of(bytes),
      contentType: 'application/json',
      ...options,
    });
    return { ...history, records: [...history.records, record] };
  }

  /** Versions first: what was recorded before a second version was written is then seen with it. */
  async #lookUp(id: InstanceId, { signal }: CallOptions): Promise<InstanceHistory> {
    const versions = await this.#versionsOf(id, { signal });
    return { id, versions, records: await this.#recordsOf(id, { signal }) };
  }

  async #versionsOf(id: InstanceId, options: CallOptions): Promise<readonly ArchivedVersion[]> {
    const objects = await Array.fromAsync(this.#objects.list(instanceFolder(id), options));
    return objects.map(versionOf).filter((version) => version !== undefined);
  }

  async #recordsOf(id: InstanceId, options: CallOptions): Promise<readonly HistoryRecord[]> {
    const objects = await Array.fromAsync(this.#objects.list(historyFolder(id), options));
    return objects.map(recordOf).filter((record) => record !== undefined);
  }

  async *#listRecords({ after, signal }: InventoryOptions): AsyncGenerator<HistoryRecord> {
    const afterKey = after === undefined ? undefined : afterId(folders.history, after);
    for await (const object of this.#objects.list(folders.history, { after: afterKey, signal })) {
      const record = recordOf(object);
      if (record !== undefined) yield record;
    }
  }
}

function isVersion(found: ArchivedVersion | HistoryRecord): found is ArchivedVersion {
  return 'archivedAt' in found;
}

function isRecord(found: ArchivedVersion | HistoryRecord): found is HistoryRecord {
  return 'what' in found;
}

function versionOf({ key, sizeBytes, lastModified }: ObjectEntry): ArchivedVersion | undefined {
  const parsed = parseKey(key);
  return parsed?.kind === 'instance'
    ? { id: parsed.id, md5: parsed.md5, sizeBytes, archivedAt: lastModified }
    : undefined;
}

function recordOf({ key }: ObjectEntry): HistoryRecord | undefined {
  const parsed = parseKey(key);
  return parsed?.kind === 'history' ? parsed : undefined;
}
