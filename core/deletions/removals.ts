/**
 * What the archive remembers of instances that the source no longer had: the archive itself deletes nothing, so a
 * point in time needs to know what was there.
 *
 *     removals/<orthanc id>/<UTC time>.json            the source no longer had it at this time
 *     removals/<orthanc id>/<UTC time>.returned.json   the source had it again at this time, with bytes archived before
 *     removals/<orthanc id>/<UTC time>.received-<md5>.json
 *         the archive received this version at this time; its object was put right later and has the time of that
 */
import { type InstanceId, isInstanceId, isMd5, type Md5, md5Of } from '../identifiers.ts';
import { documentBytes } from '../stores/archive/json-document.ts';
import { folders, keyTime, parseKeyTime, removalFolder } from '../stores/archive/keys.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import type { CallOptions, InventoryEntry, InventoryOptions } from '../stores/store.ts';

/** A record that the source no longer had an instance, or had it again. */
export interface Removal {
  readonly id: InstanceId;
  readonly at: Date;
  readonly kind: 'removed' | 'returned';
}

/** A record of when the archive received a version, whatever the time of its object. */
export interface Reception {
  readonly id: InstanceId;
  readonly at: Date;
  readonly kind: 'received';
  readonly md5: Md5;
}

export type ArchiveRecord = Removal | Reception;

/** Keeps a record. Written once; may be repeated. */
export async function keepRecord(
  objects: ObjectStorage,
  record: ArchiveRecord,
  options: CallOptions = {},
): Promise<void> {
  const { id, at } = record;
  const bytes = documentBytes({ ...record, at: at.toISOString() });
  const key = `${removalFolder(id)}${keyTime(at)}${suffixOf(record)}.json`;
  await objects.putOnce(key, bytes, {
    sizeBytes: bytes.byteLength,
    md5: md5Of(bytes),
    contentType: 'application/json',
    ...options,
  });
}

/** Records that the source no longer has an instance, unless that is what the last record says. */
export async function recordRemoval(
  objects: ObjectStorage,
  { id, at }: Pick<Removal, 'id' | 'at'>,
  options: CallOptions = {},
): Promise<void> {
  const records = await Array.fromAsync(listRemovals(objects, { only: id, ...options }));
  if (records.at(-1)?.kind !== 'removed') await keepRecord(objects, { id, at, kind: 'removed' }, options);
}

function suffixOf(record: ArchiveRecord): string {
  switch (record.kind) {
    case 'removed':
      return '';
    case 'returned':
      return '.returned';
    case 'received':
      return `.received-${record.md5}`;
  }
}

export interface RecordOptions extends InventoryOptions {
  readonly only?: InstanceId;
}

/** The records of removals and returns, as {@link listRecords} lists them. */
export async function* listRemovals(objects: ObjectStorage, options: RecordOptions = {}): AsyncGenerator<Removal> {
  for await (const record of listRecords(objects, options)) if (record.kind !== 'received') yield record;
}

/** All records, or those of `only`, in order of id, then of time. */
export async function* listRecords(
  objects: ObjectStorage,
  { after, only, signal }: RecordOptions = {},
): AsyncGenerator<ArchiveRecord> {
  const prefix = only === undefined ? folders.removals : removalFolder(only);
  // '0' follows '/': the key right behind all records of `after`.
  const afterKey = after === undefined ? undefined : `${folders.removals}${after}0`;
  for await (const { key } of objects.list(prefix, { after: afterKey, signal })) {
    const record = parseRecordKey(key);
    if (record !== undefined) yield record;
  }
}

/** The ids whose last record says that they are gone, as an inventory: what a comparison joins with the others. */
export async function* removedInventory(
  objects: ObjectStorage,
  options: InventoryOptions = {},
): AsyncGenerator<InventoryEntry> {
  let last: Removal | undefined;
  for await (const removal of listRemovals(objects, options)) {
    if (last !== undefined && last.id !== removal.id) yield* goneEntry(last);
    last = removal;
  }
  yield* goneEntry(last);
}

function* goneEntry(last: Removal | undefined): Generator<InventoryEntry> {
  if (last?.kind === 'removed') yield { id: last.id, md5: undefined, sizeBytes: undefined };
}

function parseRecordKey(key: string): ArchiveRecord | undefined {
  const [, id, time, returned, md5] =
    /^removals\/([^/]+)\/([^/]+?)(?:(\.returned)|\.received-([0-9a-f]{32}))?\.json$/.exec(key) ?? [];
  const at = parseKeyTime(time);
  if (!isInstanceId(id) || at === undefined) return undefined;
  if (isMd5(md5)) return { id, at, kind: 'received', md5 };
  return { id, at, kind: returned === undefined ? 'removed' : 'returned' };
}
