/** Follows what the change feed announced until each instance of it has been dealt with. */
import type { CopyResult } from '../copy/outcome.ts';
import type { InstanceId } from '../identifiers.ts';
import type { Change } from '../stores/change-feed.ts';

/** What came with one page of the feed. */
export interface Arrival {
  readonly changes: readonly Change[];
  /** Instances that were copied to some destination. */
  readonly instances: number;
  readonly bytes: number;
  /** When the source got the first of them, by its own clock: milliseconds since 1970; `undefined` if it does not tell. */
  readonly receivedAtMs: number | undefined;
}

interface Group {
  readonly changes: readonly Change[];
  readonly open: Set<InstanceId>;
  instances: number;
  bytes: number;
  receivedAtMs: number | undefined;
}

export class Arrivals {
  readonly #onDone: (arrival: Arrival) => void;
  readonly #groups = new Set<Group>();

  constructor(onDone: (arrival: Arrival) => void) {
    this.#onDone = onDone;
  }

  /** @param ids the instances among `changes` that are to be copied */
  begin(changes: readonly Change[], ids: readonly InstanceId[]): void {
    const group: Group = { changes, open: new Set(ids), instances: 0, bytes: 0, receivedAtMs: undefined };
    this.#groups.add(group);
    this.#endIfDone(group);
  }

  /** An instance was dealt with. */
  note({ id, sizeBytes = 0, outcomes }: CopyResult): void {
    for (const group of this.#groups) {
      if (!group.open.delete(id)) continue;
      if (outcomes.some(({ kind }) => kind === 'copied')) {
        group.instances += 1;
        group.bytes += sizeBytes;
        // The first that is done of a page was announced about first.
        group.receivedAtMs ??= receivedAtMs(group.changes, id);
      }
      this.#endIfDone(group);
    }
  }

  /** What has not been dealt with is not waited for any more. */
  endAll(): void {
    for (const group of this.#groups) {
      group.open.clear();
      this.#endIfDone(group);
    }
  }

  #endIfDone(group: Group): void {
    if (group.open.size > 0) return;
    this.#groups.delete(group);
    const { open: _, ...arrival } = group;
    this.#onDone(arrival);
  }
}

function receivedAtMs(changes: readonly Change[], id: InstanceId): number | undefined {
  const announced = changes.find((one) => one.id === id && one.type === 'NewInstance');
  return announced && loggedAtMs(announced.date);
}

/** `20261121T024600`, in UTC, as milliseconds since 1970; `undefined` for a date of another form. */
function loggedAtMs(date: string): number | undefined {
  const iso = date.replace(/^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2}).*$/, '$1-$2-$3T$4:$5:$6Z');
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? undefined : ms;
}
