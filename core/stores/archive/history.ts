/**
 * What an archive knows of one instance, and what follows from it: which version is the current one, now or at a moment.
 * Pure; everything that asks "which version" asks here.
 *
 * An id with one object and no record needs none: the object is its history. Everything else is recorded, see
 * `archive-history.ts`. For *now* the last record counts and no time does, so that no clock, no resolution of a listing and
 * no copying of an archive can change what a restore gives. What is asked of the past needs a {@link DatedHistory}.
 */
import { MirrorError } from '../../errors.ts';
import type { InstanceId, Md5 } from '../../identifiers.ts';
import type { InventoryEntry } from '../store.ts';
import { compareKeys } from './key-order.ts';
import { type HistoryRecord, lastRecordNumber } from './keys.ts';

/** One version of an instance in an archive. */
export interface ArchivedVersion extends InventoryEntry {
  readonly md5: Md5;
  readonly sizeBytes: number;
  /** The time of its object: when the archive received it, unless somebody copied the archive since. */
  readonly archivedAt: Date;
}

/** A record with its time, which stands in its body; see `history-record.ts`. */
export type DatedRecord = HistoryRecord & { readonly at: Date };

/** Whether its time is known: it was read, or has just been written. */
export function isDated(record: HistoryRecord): record is DatedRecord {
  return 'at' in record;
}

/** One instance, of which there are versions, records, or both. */
export interface InstanceHistory<Recorded extends HistoryRecord = HistoryRecord> {
  readonly id: InstanceId;
  readonly versions: readonly ArchivedVersion[];
  /** In any order. */
  readonly records: readonly Recorded[];
}

/** A history of which every record was read, so that it tells of the past, too. */
export type DatedHistory = InstanceHistory<DatedRecord>;

/** What an archive has of an instance, now or at a moment. `record`: the one that says so. */
export type InstanceState<Recorded extends HistoryRecord = HistoryRecord> =
  /** Nothing. */
  | { readonly kind: 'absent' }
  /** This version; without a record since the time of its object. */
  | { readonly kind: 'held'; readonly version: ArchivedVersion; readonly record: Recorded | undefined }
  /** The source no longer had it; `before` is what it had last, where the archive has that. */
  | { readonly kind: 'removed'; readonly before: ArchivedVersion | undefined; readonly record: Recorded }
  /** Several versions, and nothing tells which one counts: two writers met, or the archive was made by other means. */
  | { readonly kind: 'undecided'; readonly newest: ArchivedVersion }
  /** The version that counts has no object: somebody deleted it. */
  | { readonly kind: 'lost'; readonly md5: Md5; readonly record: Recorded };

const absent = { kind: 'absent' } as const;

/** @returns the state of now: that of the last record. No time is needed for it. */
export function stateNow<Recorded extends HistoryRecord>(history: InstanceHistory<Recorded>): InstanceState<Recorded> {
  const records = recordsThatCount(history);
  return records.length === 0 ? stateOfObjects(history.versions) : stateAfter(records, history.versions);
}

/** @returns the state at a moment: that of the last record that is not after it. */
export function stateAt(history: DatedHistory, moment: Date): InstanceState<DatedRecord> {
  const { versions } = history;
  const records = recordsThatCount(history);
  return records.length === 0
    ? stateOfObjects(versions, moment)
    : stateAfter(
        records.filter(({ at }) => at <= moment),
        versions,
      );
}

/** @returns since when a state is so; `undefined` for what is absent. */
export function sinceWhen(state: InstanceState<DatedRecord>): Date | undefined {
  switch (state.kind) {
    case 'absent':
      return undefined;
    case 'held':
      return state.record?.at ?? state.version.archivedAt;
    case 'undecided':
      return state.newest.archivedAt;
    case 'removed':
    case 'lost':
      return state.record.at;
  }
}

/** What the last of some records, in order, says. */
function stateAfter<Recorded extends HistoryRecord>(
  records: readonly Recorded[],
  versions: readonly ArchivedVersion[],
): InstanceState<Recorded> {
  const record = records.at(-1);
  if (record === undefined) return absent;
  const versionOf = (md5: Md5) => versions.find((version) => version.md5 === md5);
  if (record.what === 'removed') {
    const last = records.findLast(({ what }) => what !== 'removed');
    const before = last === undefined || last.what === 'removed' ? undefined : versionOf(last.md5);
    return { kind: 'removed', before, record };
  }
  const version = versionOf(record.md5);
  return version === undefined ? { kind: 'lost', md5: record.md5, record } : { kind: 'held', version, record };
}

/** In order. An import is recorded before its object is written: without that, it never came to its end. */
export function recordsThatCount<Recorded extends HistoryRecord>({
  versions,
  records,
}: InstanceHistory<Recorded>): readonly Recorded[] {
  if (records.length === 0) return records;
  return records
    .filter((record) => record.what !== 'imported' || versions.some(({ md5 }) => md5 === record.md5))
    .toSorted(compareRecords);
}

function stateOfObjects(versions: readonly ArchivedVersion[], moment?: Date): InstanceState<never> {
  const newest = newestOf(moment === undefined ? versions : versions.filter(({ archivedAt }) => archivedAt <= moment));
  if (newest === undefined) return absent;
  return versions.length === 1 ? { kind: 'held', version: newest, record: undefined } : { kind: 'undecided', newest };
}

/** @returns the version whose object is the newest; of several of one time, the one with the greatest MD5. */
export function newestOf(versions: readonly ArchivedVersion[]): ArchivedVersion | undefined {
  const timeOf = ({ archivedAt }: ArchivedVersion): number => archivedAt.getTime();
  return versions.toSorted((a, b) => timeOf(a) - timeOf(b) || (a.md5 < b.md5 ? -1 : 1)).at(-1);
}

/** Whether the instance came another way than from the archive's source, which never supplied it. */
export function isForeign(history: InstanceHistory): boolean {
  const records = recordsThatCount(history);
  return records.length > 0 && records.every(({ what }) => what === 'imported');
}

/** What a record is to say. */
export type NewRecord = { readonly what: 'current' | 'imported'; readonly md5: Md5 } | { readonly what: 'removed' };

/** The record with the greatest number. */
export function lastRecord<Recorded extends HistoryRecord>(history: InstanceHistory<Recorded>): Recorded | undefined {
  return history.records.toSorted(compareRecords).at(-1);
}

/** The record that follows those of a history, with the next number. Throws `history-full` when none is left. */
export function nextRecord(history: InstanceHistory, record: NewRecord): HistoryRecord {
  const { id } = history;
  const number = (lastRecord(history)?.number ?? 0) + 1;
  if (number > lastRecordNumber) {
    throw new MirrorError(
      'history-full',
      `instance ${id} changed ${lastRecordNumber} times, more cannot be recorded; mirror to a new archive`,
    );
  }
  return { id, number, ...record };
}

/**
 * The order of records is that of their numbers. Two processes that record at once may give the same number: then what the
 * source has counts before what it lacks, and the comparison that follows decides.
 */
function compareRecords(a: HistoryRecord, b: HistoryRecord): number {
  return a.number - b.number || compareKeys(rankOf(a), rankOf(b));
}

function rankOf(record: HistoryRecord): string {
  switch (record.what) {
    case 'removed':
      return '0';
    case 'imported':
      return `1 ${record.md5}`;
    case 'current':
      return `2 ${record.md5}`;
  }
}
