/** What an archive knows of each instance: the versions that it received, and what became of it at the source. */
import { mergeJoin } from '../compare/merge-join.ts';
import { type ArchiveRecord, listRecords, type Removal } from '../deletions/removals.ts';
import type { InstanceId } from '../identifiers.ts';
import type { Archive, ArchivedVersion } from '../stores/archive/archive.ts';
import type { CallOptions, InventoryEntry, InventoryOptions } from '../stores/store.ts';

/** One instance, of which there are versions, removals, or both. */
export interface InstanceHistory {
  readonly id: InstanceId;
  /** Their `archivedAt` is when the archive first received them, also where the object was put right later. */
  readonly versions: readonly ArchivedVersion[];
  /** In order of time. */
  readonly removals: readonly Removal[];
}

/** The history of every instance, in order of id. Lists the archive and its records; memory per instance only. */
export async function* listHistories(
  archive: Archive,
  options: InventoryOptions = {},
): AsyncGenerator<InstanceHistory> {
  const records = asInventory(listRecords(archive.objects, options));
  for await (const { id, held } of mergeJoin([archive.inventory(options), records])) {
    const [versions = [], entries = []] = held;
    yield historyOf(
      id,
      versions.filter(isVersion),
      entries.filter(isRecordEntry).map(({ record }) => record),
    );
  }
}

/** The history of one instance, without versions and removals if the archive never had it. */
export async function lookUpHistory(
  archive: Archive,
  id: InstanceId,
  options: CallOptions = {},
): Promise<InstanceHistory> {
  const records = await Array.fromAsync(listRecords(archive.objects, { ...options, only: id }));
  return historyOf(id, await archive.lookup(id, options), records);
}

/** Puts versions and records together; pure. */
export function historyOf(
  id: InstanceId,
  versions: readonly ArchivedVersion[],
  records: readonly ArchiveRecord[],
): InstanceHistory {
  const receptions = records.filter((record) => record.kind === 'received');
  const received = ({ md5, archivedAt }: ArchivedVersion): Date =>
    receptions
      .filter((reception) => reception.md5 === md5)
      .reduce((first, { at }) => (at < first ? at : first), archivedAt);
  return {
    id,
    versions: versions.map((version) => ({ ...version, archivedAt: received(version) })),
    removals: records.filter((record) => record.kind !== 'received'),
  };
}

/** Records in the form of an inventory, so that they can be joined with one. */
type RecordEntry = InventoryEntry & { readonly record: ArchiveRecord };

async function* asInventory(records: AsyncIterable<ArchiveRecord>): AsyncGenerator<RecordEntry> {
  for await (const record of records) yield { id: record.id, md5: undefined, sizeBytes: undefined, record };
}

function isVersion(entry: InventoryEntry): entry is ArchivedVersion {
  return 'archivedAt' in entry;
}

function isRecordEntry(entry: InventoryEntry): entry is RecordEntry {
  return 'record' in entry;
}
