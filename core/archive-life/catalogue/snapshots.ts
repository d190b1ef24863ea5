/** On which days an archive changed, and how. */
import { listSidecarStates } from '../../sidecars/sidecar-state.ts';
import type { Archive } from '../../stores/archive/archive.ts';
import { type ArchivedVersion, type DatedHistory, newestOf, recordsThatCount } from '../../stores/archive/history.ts';
import type { PastOptions } from './differences.ts';

/** What changed on one day. */
export interface Snapshot {
  /** `2026-11-21`, in UTC. */
  readonly day: string;
  /** Instances that the archive received for the first time. */
  readonly added: number;
  /** Instances of which another version became the current one. */
  readonly changed: number;
  /** Instances that the source no longer had, or had again. */
  readonly removed: number;
  readonly returned: number;
  /** States of sidecars. */
  readonly sidecars: number;
  /** Size of all versions received. */
  readonly bytes: number;
}

type Counts = Omit<Snapshot, 'day'>;
const nothing: Counts = { added: 0, changed: 0, removed: 0, returned: 0, sidecars: 0, bytes: 0 };

/**
 * Lists the days on which something changed, the first one first. Lists the whole archive and reads every record; memory
 * per day only.
 */
export async function listSnapshots(archive: Archive, options: PastOptions = {}): Promise<readonly Snapshot[]> {
  const days = new Days();
  for await (const history of archive.history.listDated(options)) {
    for (const version of history.versions) days.addBytes(receivedAt(version, history), version.sizeBytes);
    for (const { at, what } of eventsOf(history)) days.add(at, what);
  }
  for await (const { at } of listSidecarStates(archive.objects, 'studies', options)) days.add(at, 'sidecars');
  return days.all();
}

interface Event {
  readonly at: Date;
  readonly what: 'added' | 'changed' | 'removed' | 'returned';
}

/** What happened to one instance, in order. Pure. */
function eventsOf(history: DatedHistory): readonly Event[] {
  const records = recordsThatCount(history);
  if (records.length === 0) {
    const newest = newestOf(history.versions);
    return newest === undefined ? [] : [{ at: newest.archivedAt, what: 'added' }];
  }
  return records.flatMap((record, index): Event[] => {
    const { at } = record;
    const before = records[index - 1];
    if (record.what === 'removed') return before?.what === 'removed' ? [] : [{ at, what: 'removed' }];
    if (before === undefined) return [{ at, what: 'added' }];
    if (before.what === 'removed') return [{ at, what: 'returned' }];
    return before.md5 === record.md5 ? [] : [{ at, what: 'changed' }];
  });
}

/** The time of an object is another one once it was put right; that of a record stays. */
function receivedAt({ md5, archivedAt }: ArchivedVersion, history: DatedHistory): Date {
  const first = recordsThatCount(history).find((record) => record.what !== 'removed' && record.md5 === md5);
  return first?.at ?? archivedAt;
}

class Days {
  readonly #counts = new Map<string, Counts>();

  add(at: Date, field: Exclude<keyof Counts, 'bytes'>): void {
    this.#change(at, (counts) => ({ ...counts, [field]: counts[field] + 1 }));
  }

  addBytes(at: Date, bytes: number): void {
    this.#change(at, (counts) => ({ ...counts, bytes: counts.bytes + bytes }));
  }

  all(): readonly Snapshot[] {
    return [...this.#counts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([day, counts]) => ({ day, ...counts }));
  }

  #change(at: Date, change: (counts: Counts) => Counts): void {
    const day = at.toISOString().slice(0, 10);
    this.#counts.set(day, change(this.#counts.get(day) ?? nothing));
  }
}
