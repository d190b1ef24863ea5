/**
 * Tells of records and sidecars whose time lies in the future: a clock was wrong when they were written. Nothing else
 * follows from it: what counts now is decided by their order, never by their times (`history.ts`).
 */
import type { CallOptions } from '../store.ts';
import { folders, parseKey } from './keys.ts';
import type { ListOptions, ObjectEntry, ObjectStorage } from './object-storage.ts';

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

/**
 * The same storage; `onFuture` is told of each such key that a listing meets, once. No request is made for it.
 * @param now the time of now, in milliseconds since 1970
 */
export function tellingFutureTimes(
  objects: ObjectStorage,
  onFuture: (found: FutureTime) => void,
  now: () => number = Date.now,
): ObjectStorage {
  const told = new Set<string>();
  async function* listed(prefix: string, options?: ListOptions): AsyncGenerator<ObjectEntry> {
    for await (const entry of objects.list(prefix, options)) {
      const at = timeOf(entry.key);
      const isFuture = at !== undefined && at.getTime() > now() + toleranceMs;
      if (isFuture && told.size < mostTold && !told.has(entry.key)) {
        told.add(entry.key);
        onFuture({ key: entry.key, at });
      }
      yield entry;
    }
  }
  return {
    name: objects.name,
    prepare: (options) => objects.prepare(options),
    anchor: (key) => objects.anchor(key),
    putOnce: (key, bytes, options) => objects.putOnce(key, bytes, options),
    get: (key, options) => objects.get(key, options),
    head: (key, options) => objects.head(key, options),
    list: (prefix, options) =>
      timed.some((folder) => prefix.startsWith(folder)) ? listed(prefix, options) : objects.list(prefix, options),
    listFolders: (prefix, options) => objects.listFolders(prefix, options),
    replaceIf: (key, bytes, expectedEtag, options) => objects.replaceIf(key, bytes, expectedEtag, options),
    supersede: (key, bytes, options) => objects.supersede(key, bytes, options),
    setAside: (key, options) => objects.setAside(key, options),
    delete: (key, options) => objects.delete(key, options),
    close: () => objects.close(),
  };
}

/** Lists what nobody else lists, so that {@link tellingFutureTimes} sees the times of all sidecars. */
export async function lookAtTimes(objects: ObjectStorage, options: CallOptions = {}): Promise<void> {
  for (const folder of [folders.studies, folders.patients]) {
    for await (const _ of objects.list(folder, options));
  }
}

function timeOf(key: string): Date | undefined {
  const parsed = parseKey(key);
  return parsed !== undefined && 'at' in parsed ? parsed.at : undefined;
}
