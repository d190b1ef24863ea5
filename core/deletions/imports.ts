/**
 * What the archive remembers of instances that did not come from the source, such as those of an inbox. Without it a
 * comparison would take them for deleted at the source.
 *
 *     imports/<orthanc id>.json    the instance was brought by other means, first at the time in it
 */
import type { InstanceId } from '../identifiers.ts';
import { isInstanceId, md5Of } from '../identifiers.ts';
import { documentBytes } from '../stores/archive/json-document.ts';
import { folders, importKey, parseKey } from '../stores/archive/keys.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import type { CallOptions, InventoryEntry, InventoryOptions } from '../stores/store.ts';
import { keepRecord, listRemovals } from './removals.ts';

/**
 * Records that an instance was imported, and if it was removed before, that it is there again. May be repeated. The bytes
 * must be in the archive already.
 */
export async function recordImport(
  objects: ObjectStorage,
  { id, at }: { readonly id: InstanceId; readonly at: Date },
  options: CallOptions = {},
): Promise<void> {
  const bytes = documentBytes({ id, at: at.toISOString() });
  await objects.putOnce(importKey(id), bytes, {
    sizeBytes: bytes.byteLength,
    md5: md5Of(bytes),
    contentType: 'application/json',
    ...options,
  });
  const removals = await Array.fromAsync(listRemovals(objects, { only: id, ...options }));
  if (removals.at(-1)?.kind === 'removed') await keepRecord(objects, { id, at, kind: 'returned' }, options);
}

/** Whether an instance was ever brought by other means than the source. */
export async function isImported(objects: ObjectStorage, id: InstanceId, options: CallOptions = {}): Promise<boolean> {
  return (await objects.head(importKey(id), options)) !== undefined;
}

/** The ids that were imported, as an inventory: what a comparison joins with the others. */
export async function* importedInventory(
  objects: ObjectStorage,
  { after, signal }: InventoryOptions = {},
): AsyncGenerator<InventoryEntry> {
  const afterKey = after === undefined ? undefined : importKey(after);
  for await (const { key } of objects.list(folders.imports, { after: afterKey, signal })) {
    const parsed = parseKey(key);
    if (parsed?.kind === 'import' && isInstanceId(parsed.id))
      yield { id: parsed.id, md5: undefined, sizeBytes: undefined };
  }
}
