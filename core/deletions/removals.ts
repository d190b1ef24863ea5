/**
 * What the archive remembers of instances that the source no longer had: the archive itself deletes nothing, so a
 * point in time needs to know what was there.
 *
 *     removals/<orthanc id>/<UTC time>.json            the source no longer had it at this time
 *     removals/<orthanc id>/<UTC time>.returned.json   the source had it again at this time, with bytes archived before
 */
import { type InstanceId, isInstanceId, md5Of } from '../identifiers.ts';
import { documentBytes } from '../stores/archive/json-document.ts';
import { folders, keyTime, parseKeyTime, removalFolder } from '../stores/archive/keys.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import type { CallOptions, InventoryEntry, InventoryOptions } from '../stores/store.ts';

/** One record. */
export interface Removal {
  readonly id: InstanceId;
  readonly at: Date;
  readonly kind: 'removed' | 'returned';
}

/** Records that the source no longer has (or has again) an instance. Written once; may be repeated. */
export async function recordRemoval(
  objects: ObjectStorage,
  { id, at, kind }: Removal,
  options: CallOptions = {},
): Promise<void> {
  const bytes = documentBytes({ id, at: at.toISOString(), kind });
  const key = `${removalFolder(id)}${keyTime(at)}${kind === 'returned' ? '.returned' : ''}.json`;
  await objects.putOnce(key, bytes, {
    sizeBytes: bytes.byteLength,
    md5: md5Of(bytes),
    contentType: 'application/json',
    ...options,
  });
}

/** All records, or those of `only`, in order of id, then of time. */
export async function* listRemovals(
  objects: ObjectStorage,
  { after, only, signal }: InventoryOptions & { readonly only?: InstanceId } = {},
): AsyncGenerator<Removal> {
  const prefix = only === undefined ? folders.removals : removalFolder(only);
  // '0' follows '/': the key right behind all records of `after`.
  const afterKey = after === undefined ? undefined : `${folders.removals}${after}0`;
  for await (const { key } of objects.list(prefix, { after: afterKey, signal })) {
    const removal = parseRemovalKey(key);
    if (removal !== undefined) yield removal;
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

function parseRemovalKey(key: string): Removal | undefined {
  const [, id, time, returned] = /^removals\/([^/]+)\/([^/]+?)(\.returned)?\.json$/.exec(key) ?? [];
  const at = parseKeyTime(time);
  if (!isInstanceId(id) || at === undefined) return undefined;
  return { id, at, kind: returned === undefined ? 'removed' : 'returned' };
}
