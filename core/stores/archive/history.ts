/**
 * What an archive knows of one instance, and what follows from it: which version is the current one, now or at a moment.
 * Pure; everything that asks "which version" asks here.
 *
 * An id with one object and no record needs none: the object is its history. Everything else is recorded, see
 * `archive-history.ts`. For *now* the last record counts and no time does, so that no clock, no resolution of a listing and
 * no copying of an archive can change what a restore gives.
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

/** One instance, of which there are versions, records, or both. */
export interface InstanceHistory {
  readonly id: InstanceId;
  readonly versions: readonly ArchivedVersion[];
  /** In any order. */
  readonly records: readonly HistoryRecord[];
}

/** What an archive has of an instance, now or at a moment. */
export type InstanceState =
  /** Nothing. */
  | { readonly kind: 'absent' }
  /** This version; `since` when. */
  | { readonly kind: 'held'; readonly version: ArchivedVersion; readonly since: Date }
  /** The source no longer had it; `before` is what it had last, where the archive has that. */
  | { readonly kind: 'removed'; readonly before: ArchivedVersion | undefined; readonly since: Date }
  /** Several versions, and nothing tells which one counts: two writers met, or the archive was made by other means. */
  | { readonly kind: 'unsettled'; readonly newest: ArchivedVersion }
  /** The version that counts has no object: somebody deleted it. */
  | { readonly kind: 'lost'; readonly md5: Md5; readonly since: Date };

const absent: InstanceState = { kind: 'absent' };

/** @returns the state at a moment: the last record that is not after it counts. Without a moment: the last record. */
export function stateAt(history: InstanceHistory, at?: Date): InstanceState {
  const { versions } = history;
  const records = recordsThatCount(history);
  if (records.length === 0) return stateOfObjects(versions, at);
  const until = at === undefined ? records : records.filter((record) => record.at <= at);
  const last = until.at(-1);
  if (last === undefined) return absent;
  const versionOf = (md5: Md5) => versions.find((version) => version.md5 === md5);
  if (last.what === 'removed') {
    const before = until.findLast((record) => record.what !== 'removed');
    return { kind: 'removed', before: before && versionOf(before.md5), since: last.at };
  }
  const version = versionOf(last.md5);
  return version === undefined
    ? { kind: 'lost', md5: last.md5, since: last.at }
    : { kind: 'held', version, since: last.at };
}

/** In order. An import is recorded before its object is written: without that, it never came to its end. */
export function recordsThatCount({ versions, records }: InstanceHistory): readonly HistoryRecord[] {
  if (records.length === 0) return records;
  return records
    .filter((record) => record.what !== 'imported' || versions.some(({ md5 }) => md5 === record.md5))
    .toSorted(compareRecords);
}

function stateOfObjects(versions: readonly ArchivedVersion[], at: Date | undefined): InstanceState {
  const newest = newestOf(at === undefined ? versions : versions.filter(({ archivedAt }) => archivedAt <= at));
  if (newest === undefined) return absent;
  return versions.length === 1
    ? { kind: 'held', version: newest, since: newest.archivedAt }
    : { kind: 'unsettled', newest };
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

/**
 * The record that follows those of a history: with the next number, and never before the record before it, however the
 * clock was set since. Throws `history-full` when no number is left.
 */
export function nextRecord({ id, records }: InstanceHistory, record: NewRecord, at: Date): HistoryRecord {
  const last = records.toSorted(compareRecords).at(-1);
  const number = (last?.number ?? 0) + 1;
  if (number > lastRecordNumber) {
    throw new MirrorError(
      'history-full',
      `instance ${id} changed ${lastRecordNumber} times, more cannot be recorded; mirror to a new archive`,
    );
  }
  return { id, number, at: last !== undefined && last.at > at ? last.at : at, ...record };
}

/**
 * The order of records is that of their numbers. Two processes that record at once may give the same number: then what the
 * source has counts before what it lacks, and the comparison that follows settles it.
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
