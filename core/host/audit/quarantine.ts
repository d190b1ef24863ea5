/**
 * Moving orphans out of a storage folder, and back. Nothing is deleted before somebody asks for it: `journal.jsonl` in
 * the quarantine folder says of each file where it came from, and is written before the file is moved. Folders of the
 * storage stay even if they are empty then, so that undoing leaves everything as it was.
 */
import { constants } from 'node:fs';
import { appendFile, copyFile, mkdir, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { MirrorError } from '../../errors.ts';
import { jsonBoundsOf, readJson } from '../../json.ts';
import { hashesOf, readFileChunks } from '../../orthanc-disk/files/file-bytes.ts';
import { fileError, systemCode } from '../../orthanc-disk/files/file-error.ts';
import type { StoredFile } from '../../orthanc-disk/storage/storage-area.ts';
import { isUuid, storagePath } from '../../orthanc-disk/storage/storage-names.ts';

const journalEntry = z.object({
  uuid: z.string().refine(isUuid),
  /** Absolute path that the file was at. */
  from: z.string(),
  quarantinedAt: z.iso.datetime(),
});
type JournalEntry = z.infer<typeof journalEntry>;

/** A path and two short texts. */
const longestJournalLine = 8192;

const journalName = 'journal.jsonl';

/** Moves orphans to the quarantine. May be repeated after any error. @returns how many files were moved. */
export async function quarantine(orphans: readonly StoredFile[], folder: string, now = new Date()): Promise<number> {
  const root = resolve(folder);
  await onPath(root, () => mkdir(root, { recursive: true, mode: 0o700 }));
  for (const { uuid, place } of orphans) {
    const entry: JournalEntry = { uuid, from: resolve(place), quarantinedAt: now.toISOString() };
    await onPath(root, () => appendDurably(join(root, journalName), `${JSON.stringify(entry)}\n`));
    await move(entry.from, join(root, storagePath(uuid)));
  }
  return orphans.length;
}

/** Moves everything in a quarantine back to where it was. @returns how many files were moved. */
export async function undoQuarantine(folder: string): Promise<number> {
  const root = resolve(folder);
  let moved = 0;
  for (const { uuid, from } of await readJournal(root)) {
    const held = join(root, storagePath(uuid));
    if (!(await exists(held))) continue;
    if (await exists(from)) throw new MirrorError('conflict', `${from} exists again; ${held} stays in quarantine`);
    await move(held, from);
    moved += 1;
  }
  return moved;
}

/** Deletes what has been in quarantine for longer than `olderThanMs`. @returns how many files were deleted. */
export async function deleteQuarantined(folder: string, olderThanMs: number, now = Date.now()): Promise<number> {
  const root = resolve(folder);
  // A file that was moved back and quarantined again counts from the last time.
  const latest = new Map((await readJournal(root)).map((entry) => [entry.uuid, entry]));
  let deleted = 0;
  for (const { uuid, quarantinedAt } of latest.values()) {
    const held = join(root, storagePath(uuid));
    if (now - Date.parse(quarantinedAt) < olderThanMs || !(await exists(held))) continue;
    await onPath(held, () => rm(held));
    deleted += 1;
  }
  return deleted;
}

async function readJournal(root: string): Promise<JournalEntry[]> {
  const path = join(root, journalName);
  const text = await onPath(path, () => readFile(path, 'utf8'));
  // A process that was killed may have left an unfinished last line, for a file that it had not moved.
  return text.split('\n').flatMap((line) => {
    const read = readJson(line, journalEntry, jsonBoundsOf(longestJournalLine));
    return read.ok ? [read.value] : [];
  });
}

async function appendDurably(path: string, text: string): Promise<void> {
  await appendFile(path, text, { mode: 0o600 });
  const handle = await open(path, 'r');
  await handle.sync();
  await handle.close();
}

/** Moves a file, also to another file system: copied under a temporary name and compared before the original goes. */
async function move(from: string, to: string): Promise<void> {
  await onPath(to, () => mkdir(dirname(to), { recursive: true }));
  try {
    await rename(from, to);
  } catch (error) {
    if (systemCode(error) !== 'EXDEV') throw fileError(error, from, 'forbidden');
    await onPath(to, () => moveAcross(from, to));
  }
}

async function moveAcross(from: string, to: string): Promise<void> {
  const partial = `${to}.partial`;
  await rm(partial, { force: true });
  await copyFile(from, partial, constants.COPYFILE_EXCL);
  const [original, copy] = await Promise.all([from, partial].map((path) => hashesOf(readFileChunks(path))));
  if (original?.sha256 !== copy?.sha256) {
    throw new MirrorError('hash-mismatch', `${from} could not be copied to the quarantine unchanged`);
  }
  const { atime, mtime } = await stat(from);
  await utimes(partial, atime, mtime);
  await rename(partial, to);
  await rm(from);
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw fileError(error, path, 'forbidden');
  }
}

async function onPath<T>(path: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw fileError(error, path, 'configuration');
  }
}
