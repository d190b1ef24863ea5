/**
 * The records of an archive's history: what was the current version of each instance, and when the source had none.
 *
 *     history/<orthanc id>/<n>-current-<md5>.json     from now on this version is what the source holds
 *     history/<orthanc id>/<n>-removed.json           the source no longer has it
 *     history/<orthanc id>/<n>-imported-<md5>.json    this version came another way; the source had none
 *
 * A record is written once and never changed. Everything that decides what counts now is in its key, so that listing the
 * keys is enough; only who asks for the past reads the records, for their times.
 */

import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import { type InstanceId, type Md5, md5Of } from '../../identifiers.ts';
import { mapInOrder } from '../../streams/in-parallel.ts';
import { mergeJoin } from '../../streams/merge-join.ts';
import type { InventoryOptions } from '../store.ts';
import type { NoteTime } from './future-times.ts';
import {
  type ArchivedVersion,
  type DatedHistory,
  type DatedRecord,
  type InstanceHistory,
  isDated,
  lastRecord,
  type NewRecord,
  newestOf,
  nextRecord,
  recordsThatCount,
  stateNow,
} from './history.ts';
import { type ArchiveWriter, type RecordOrigin, readRecord, recordBytes } from './history-record.ts';
import { afterId, folders, type HistoryRecord, historyFolder, historyKey, instanceFolder, parseKey } from './keys.ts';
import type { ObjectEntry, ObjectStorage } from './object-storage.ts';

/** Whether what a writer stores is what the archive's source holds. */
export function speaksForSource(writer: ArchiveWriter): boolean {
  return writer !== 'import' && writer !== 'inbox';
}

export interface ArchiveHistoryOptions {
  readonly writer: ArchiveWriter;
  readonly now: () => Date;
  /** Is given the time of each record that is read. */
  readonly noteTime?: NoteTime | undefined;
}

export interface DatedOptions extends InventoryOptions {
  /** Only these instances: nothing is read of others. */
  readonly only?: ReadonlySet<InstanceId> | undefined;
  /**
   * Told of each instance of which a record cannot be read: nothing is known of its past, and it is left out. Absent: the
   * error is thrown, so that nobody leaves it out without a word.
   */
  readonly onUnreadable?: ((id: InstanceId, error: MirrorError) => void) | undefined;
}

/** Records of several instances, as they were listed at one time. */
export type ListedRecords = ReadonlyMap<InstanceId, readonly HistoryRecord[]>;

export interface LookUpOptions extends CallOptions {
  /** All records of the archive, listed before: then those of one instance need no request of their own. */
  readonly records?: ListedRecords | undefined;
}

/** Instances whose records are read at once. */
const readsAtOnce = 16;
/** Of more, a listing of all takes more than one answer of S3. */
const fewRecords = 1_000;

export class ArchiveHistory {
  readonly #objects: ObjectStorage;
  readonly #options: ArchiveHistoryOptions;

  constructor(objects: ObjectStorage, options: ArchiveHistoryOptions) {
    this.#objects = objects;
    this.#options = options;
  }

  /** The history of every instance, in order of id: one pass over the keys, memory per instance only. */
  async *list(options: InventoryOptions = {}): AsyncGenerator<InstanceHistory> {
    const lists = [this.versions(options), this.records(options)];
    for await (const { id, held } of mergeJoin<ArchivedVersion | HistoryRecord>(lists)) {
      const [versions = [], records = []] = held;
      const listed = { id, versions: versions.filter(isVersion), records: records.filter(isRecord) };
      yield mayLackRecords(listed) ? await this.#lookUp(id, options) : listed;
    }
  }

  /** All records of the archive, if they are few; `undefined` if they are many. */
  async listIfFew(options: CallOptions = {}): Promise<ListedRecords | undefined> {
    const records: HistoryRecord[] = [];
    for await (const record of this.records(options)) {
      if (records.length === fewRecords) return undefined;
      records.push(record);
    }
    return Map.groupBy(records, ({ id }) => id);
  }

  /** As {@link list}, with the times of the records: a request for each of those that count. */
  async *listDated({ only, onUnreadable, ...options }: DatedOptions = {}): AsyncGenerator<DatedHistory> {
    const wanted = this.#listOnly(only, options);
    for await (const found of mapInOrder(wanted, readsAtOnce, (history) => this.#tryDated(history, options))) {
      if ('records' in found) yield found;
      else if (onUnreadable === undefined) throw found.error;
      else onUnreadable(found.id, found.error);
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
  async of(id: InstanceId, { signal, records }: LookUpOptions = {}): Promise<InstanceHistory> {
    const versions = await this.#versionsOf(id, { signal });
    if (versions.length === 0) return { id, versions, records: [] };
    const listed = records && { id, versions, records: records.get(id) ?? [] };
    if (listed !== undefined && !mayLackRecords(listed)) return listed;
    return { id, versions, records: await this.#recordsOf(id, { signal }) };
  }

  /** As {@link of}, with the times of the records. Throws as {@link read}. */
  async datedOf(id: InstanceId, options: LookUpOptions = {}): Promise<DatedHistory> {
    return this.#dated(await this.of(id, options), options);
  }

  /** Every record, in order of id, then of number. Objects that are not of the format are passed over. */
  async *records({ after, signal }: InventoryOptions = {}): AsyncGenerator<HistoryRecord> {
    const afterKey = after === undefined ? undefined : afterId(folders.history, after);
    for await (const object of this.#objects.list(folders.history, { after: afterKey, signal })) {
      const record = recordOf(object);
      if (record !== undefined) yield record;
    }
  }

  /** Reads a record, with its time; `undefined` if it is gone. Throws `history-damaged`, and what the storage throws. */
  async read(record: HistoryRecord, options: CallOptions = {}): Promise<DatedRecord | undefined> {
    const dated = await readRecord(this.#objects, record, options);
    if (dated !== undefined) this.#options.noteTime?.(historyKey(record), dated.at);
    return dated;
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
    origin: RecordOrigin,
    options: CallOptions,
  ): Promise<InstanceHistory> {
    const record = nextRecord(history, wanted);
    const dated = { ...record, at: await this.#notBeforeLast(history, at, options) };
    const bytes = recordBytes(dated, { writer: this.#options.writer, origin });
    const outcome = await this.#objects.putOnce(historyKey(record), bytes, {
      sizeBytes: bytes.length,
      md5: md5Of(bytes),
      contentType: 'application/json',
      ...options,
    });
    // Another process was quicker to record the same: then the time is its.
    return { ...history, records: [...history.records, outcome === 'created' ? dated : record] };
  }

  /** The time of what follows a history: never before the record before it, however the clock was set since. */
  async #notBeforeLast(history: InstanceHistory, at: Date, options: CallOptions): Promise<Date> {
    const last = lastRecord(history);
    if (last === undefined) return at;
    try {
      const dated = isDated(last) ? last : await this.read(last, options);
      return dated !== undefined && dated.at > at ? dated.at : at;
    } catch (error) {
      // What is damaged must not keep the mirror from recording what the source has now.
      if (isMirrorError(error, 'history-damaged')) return at;
      throw error;
    }
  }

  async *#listOnly(only: ReadonlySet<InstanceId> | undefined, options: InventoryOptions) {
    for await (const history of this.list(options)) if (only?.has(history.id) !== false) yield history;
  }

  async #dated(history: InstanceHistory, options: CallOptions): Promise<DatedHistory> {
    const records: DatedRecord[] = [];
    for (const record of recordsThatCount(history)) {
      const dated = await this.read(record, options);
      if (dated === undefined) {
        const what = `${historyKey(record)} was there and then was not`;
        throw new MirrorError('changed-meanwhile', `${this.#objects.name}: ${what}`);
      }
      records.push(dated);
    }
    return { ...history, records };
  }

  async #tryDated(
    history: InstanceHistory,
    options: CallOptions,
  ): Promise<DatedHistory | { readonly id: InstanceId; readonly error: MirrorError }> {
    try {
      return await this.#dated(history, options);
    } catch (error) {
      if (options.signal?.aborted === true || !isMirrorError(error)) throw error;
      return { id: history.id, error };
    }
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
}

/** Objects and records are listed at different moments: what seems to be missing may have come in between. */
function mayLackRecords(history: InstanceHistory): boolean {
  const { kind } = stateNow(history);
  return kind === 'undecided' || kind === 'lost';
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
