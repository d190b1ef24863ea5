import { copyFileSync, readFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/**
 * Copies a database of SQLite to `path` as a server leaves it that is killed amid a transaction without a write-ahead
 * log: what `change` wrote is in the file already, and what it overwrote is in the journal beside it.
 */
export function interruptTransaction(database: string, path: string, change: string): void {
  const writer = new DatabaseSync(database);
  // With so small a cache the pages are written long before the end of the transaction.
  writer.exec('PRAGMA journal_mode = DELETE; PRAGMA cache_size = 1; CREATE TABLE Filler(bytes BLOB)');
  const before = readFileSync(database);
  writer.exec(`BEGIN; ${change}`);
  writer.exec('INSERT INTO Filler SELECT randomblob(100000)');
  copyFileSync(database, path);
  copyFileSync(`${database}-journal`, `${path}-journal`);
  writer.exec('ROLLBACK');
  writer.close();
  if (readFileSync(path).subarray(0, before.length).equals(before)) throw new Error('nothing was overwritten yet');
}
