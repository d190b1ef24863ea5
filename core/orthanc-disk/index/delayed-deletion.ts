/** The queue of the DelayedDeletion plugin: a SQLite database of its own with the uuids of files to delete. */
import { makeWorkFolder } from '../files/work-folder.ts';
import { copyRecovered } from './sqlite-copy.ts';
import { guarded, openUnused } from './sqlite-database.ts';

/**
 * Reads the queues. A database in use is copied first, as the index is.
 * Throws what {@link copyLiveIndex} throws, `answer-malformed` for a file that is no such database.
 */
export async function pendingDeletionsOf(databases: readonly string[]): Promise<ReadonlySet<string>> {
  const uuids = new Set<string>();
  for (const path of databases) {
    await using folder = await makeWorkFolder();
    const copy = await copyRecovered(path, folder.path);
    for (const uuid of readQueue(copy)) uuids.add(uuid);
  }
  return uuids;
}

function readQueue(path: string): readonly string[] {
  const database = openUnused(path);
  try {
    return guarded(path, () => database.prepare('SELECT uuid FROM Pending').all()).map((row) => String(row.uuid));
  } finally {
    database.close();
  }
}
