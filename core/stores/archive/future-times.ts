/**
 * Tells of records and sidecars whose time lies in the future: a clock was wrong when they were written. Nothing else
 * follows from it: what counts now is decided by their order, never by their times (`history.ts`).
 */
import type { CallOptions } from '../../call-options.ts';
import { folders, parseKey } from './keys.ts';
import { changedStorage, type ListOptions, type ObjectEntry, type ObjectStorage } from './object-storage.ts';

/** Clocks of several machines differ by less. */
const toleranceMs = 5 * 60_000;
/** Of more, only so many are told. */
const mostTold = 1000;
const timed = [folders.history, folders.studies, folders.patients];

/** A key with its time. */
export interface FutureTime {
  readonly key: string;
  readonly at: Date;
}

/** Is given the time of a record or sidecar that was met. */
export type NoteTime = (key: string, at: Date) => void;

/**
 * Tells `onFuture` of each time that lies in the future, once for each key.
 * @param now the time of now, in milliseconds since 1970
 */
export function tellingFutureTimes(onFuture: (found: FutureTime) => void, now: () => number): NoteTime {
  const told = new Set<string>();
  return (key, at) => {
    const isFuture = at.getTime() > now() + toleranceMs;
    if (!isFuture || told.size >= mostTold || told.has(key)) return;
    told.add(key);
    onFuture({ key, at });
  };
}

/**
 * The same storage; `note` is given the time of each record and sidecar that a listing meets: that in the key of a sidecar,
 * and, as that of a record stands in its body, that of its object. No request is made for it.
 */
export function notingTimes(objects: ObjectStorage, note: NoteTime): ObjectStorage {
  async function* listed(prefix: string, options?: ListOptions): AsyncGenerator<ObjectEntry> {
    for await (const entry of objects.list(prefix, options)) {
      const at = timeOf(entry);
      if (at !== undefined) note(entry.key, at);
      yield entry;
    }
  }
  return changedStorage(objects, {
    list: (prefix, options) =>
      timed.some((folder) => prefix.startsWith(folder)) ? listed(prefix, options) : objects.list(prefix, options),
  });
}

/** Lists what nobody else lists, so that {@link notingTimes} sees the times of all sidecars. */
export async function lookAtTimes(objects: ObjectStorage, options: CallOptions = {}): Promise<void> {
  for (const folder of [folders.studies, folders.patients]) {
    for await (const _ of objects.list(folder, options));
  }
}

function timeOf({ key, lastModified }: ObjectEntry): Date | undefined {
  const parsed = parseKey(key);
  if (parsed?.kind === 'history') return lastModified;
  return parsed !== undefined && 'at' in parsed ? parsed.at : undefined;
}
