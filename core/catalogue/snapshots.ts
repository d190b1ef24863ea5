/** On which days an archive changed, and how. */
import { listHistories } from '../restore/archive-history.ts';
import { listSidecarStates, type SidecarOptions } from '../sidecars/sidecar-state.ts';
import type { Archive, ArchivedVersion } from '../stores/archive/archive.ts';

/** What changed on one day. */
export interface Snapshot {
  /** `2026-11-21`, in UTC. */
  readonly day: string;
  /** Instances that the archive received for the first time. */
  readonly added: number;
  /** Further versions of instances. */
  readonly changed: number;
  /** Records that the source no longer had an instance, or had it again. */
  readonly removed: number;
  readonly returned: number;
  /** States of study documents. */
  readonly documents: number;
  /** Size of all versions received. */
  readonly bytes: number;
}

type Counts = Omit<Snapshot, 'day'>;
const nothing: Counts = { added: 0, changed: 0, removed: 0, returned: 0, documents: 0, bytes: 0 };

/** Lists the days on which something changed, the first one first. Lists the whole archive; memory per day only. */
export async function listSnapshots(
  archive: Archive,
  options: Partial<SidecarOptions> = {},
): Promise<readonly Snapshot[]> {
  const days = new Days();
  for await (const { versions, removals } of listHistories(archive, options)) {
    for (const [index, { archivedAt, sizeBytes }] of inOrderOfTime(versions).entries()) {
      days.add(archivedAt, index === 0 ? 'added' : 'changed', sizeBytes);
    }
    for (const { at, kind } of removals) days.add(at, kind);
  }
  for await (const { at } of listSidecarStates(archive.objects, 'studies', options)) days.add(at, 'documents');
  return days.all();
}

class Days {
  readonly #counts = new Map<string, Counts>();

  add(at: Date, field: keyof Counts, bytes = 0): void {
    const day = at.toISOString().slice(0, 10);
    const counts = this.#counts.get(day) ?? nothing;
    this.#counts.set(day, { ...counts, [field]: counts[field] + 1, bytes: counts.bytes + bytes });
  }

  all(): readonly Snapshot[] {
    return [...this.#counts].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([day, counts]) => ({ day, ...counts }));
  }
}

function inOrderOfTime(versions: readonly ArchivedVersion[]): readonly ArchivedVersion[] {
  return versions.toSorted((a, b) => a.archivedAt.getTime() - b.archivedAt.getTime());
}
