/** Where a backup is restored to, and the refusal to write over anything. */
import { basename, dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { MirrorError } from '../../errors.ts';
import { fileError } from '../../orthanc-disk/files/file-error.ts';
import { HeldFolder } from '../../orthanc-disk/files/held-folder.ts';
import type { BackupManifest } from './manifest.ts';
import { writeFileWhole } from './restore-files.ts';

/** A folder to write to. */
export interface RestoreFolder {
  /** Named by the user or the configuration; links on the way to it are followed if root or this user made them. */
  readonly root: string;
  /** From there on no link is followed. Names joined by `/`; empty: the root itself. */
  readonly below: string;
}

/** A file to write. */
export interface RestoreFile {
  readonly folder: RestoreFolder;
  readonly name: string;
}

export interface RestorePlaces {
  /** The folder that the marker of an unfinished restore lies in. */
  readonly root: string;
  /** One for each folder of the manifest. */
  readonly storage: readonly RestoreFolder[];
  /** A SQLite index, or the dump of a database that is not restored into one at once. */
  readonly index: RestoreFile;
  /** One for each configuration file of the manifest. */
  readonly configuration: readonly RestoreFile[];
}

/** The path of a folder or file, for messages. */
export function pathOfFolder({ root, below }: RestoreFolder): string {
  return join(root, below);
}
export function pathOfFile({ folder, name }: RestoreFile): string {
  return join(pathOfFolder(folder), name);
}

const dumpName = 'index.dump';

/**
 * Below one new folder: `storage` (`storage-1` and so on for further folders), `configuration`, and the index in
 * `storage` if it was there on the host (Orthanc's default), else in `index`.
 */
export function placesBelow(folder: string, { index, storage, configuration }: BackupManifest): RestorePlaces {
  const root = resolve(folder);
  const place = (below: string, name: string): RestoreFile => ({ folder: { root, below }, name });
  const besideFiles = index.path !== null && dirname(index.path) === storage.folders[0];
  const names = (configuration?.files ?? []).map(({ path }) => basename(path));
  return {
    root,
    storage: storage.folders.map((_, number) => ({ root, below: number === 0 ? 'storage' : `storage-${number}` })),
    index: index.kind === 'sqlite' ? place(besideFiles ? 'storage' : 'index', 'index') : place('', dumpName),
    // Files of one name lay in different folders.
    configuration: names.map((name, number) =>
      place('configuration', names.indexOf(name) === number ? name : `${number}-${name}`),
    ),
  };
}

/** Where everything was on the host; the marker and a dump go to the storage folder's parent. Throws `configuration`. */
export function originalPlaces({ index, storage, configuration }: BackupManifest): RestorePlaces {
  const [main] = storage.folders;
  const root = dirname(main ?? index.path ?? '');
  if (root === '.') {
    throw new MirrorError('configuration', 'this backup has no folders of its own; restore it into a folder', {
      advice: 'choose-folder',
    });
  }
  const fileAt = (path: string): RestoreFile => ({ folder: { root: dirname(path), below: '' }, name: basename(path) });
  return {
    root,
    storage: storage.folders.map((folder) => ({ root: folder, below: '' })),
    index: fileAt(index.path ?? join(root, dumpName)),
    configuration: (configuration?.files ?? []).map(({ path }) => fileAt(path)),
  };
}

/** Opens a folder, creating what is missing of it. Throws `configuration` or `refused`. */
export async function openRestoreFolder({ root, below }: RestoreFolder): Promise<HeldFolder> {
  await using held = await HeldFolder.open(root, { create: true });
  const folder = await held.descend(below, { create: true });
  if (folder === undefined) throw new MirrorError('configuration', `${root} vanished meanwhile`);
  return folder;
}

const markerName = '.orthanc-mirror-restore.json';
const markerSchema = z.object({ backup: z.string() });
/** A marker is far smaller. */
const longestMarker = 1024;

/**
 * Refuses to write over anything but an unfinished restore of the same backup, and marks the folder. Throws
 * `configuration`.
 */
export async function claimPlaces(places: RestorePlaces, id: string): Promise<void> {
  await using root = await openRestoreFolder({ root: places.root, below: '' });
  const unfinished = await readMarker(root);
  if (unfinished === id) return;
  if (unfinished !== undefined) {
    throw new MirrorError(
      'configuration',
      `${places.root} holds an unfinished restore of ${unfinished}; empty it first`,
    );
  }
  for (const folder of [...places.storage, places.index.folder]) await refuseContent(folder, places.root);
  await writeFileWhole(root, markerName, [Buffer.from(`${JSON.stringify({ backup: id })}\n`)]);
}

/** Takes the mark away: the restore is complete. */
export async function releasePlaces(places: RestorePlaces): Promise<void> {
  await using root = await openRestoreFolder({ root: places.root, below: '' });
  await root.remove(markerName);
}

async function refuseContent(folder: RestoreFolder, root: string): Promise<void> {
  const path = pathOfFolder(folder);
  await using held = await openRestoreFolder(folder);
  const names = await held.names().catch((error: unknown) => {
    throw fileError(error, path, 'configuration');
  });
  // A dump lies in the root itself, beside folders that are checked on their own.
  const first = path === root ? names.find((name) => name === dumpName) : names[0];
  if (first === undefined) return;
  const running = names.includes('index-wal') ? ', and an Orthanc seems to run on it' : '';
  throw new MirrorError('configuration', `${path} is not empty${running}; restore to an empty folder`);
}

async function readMarker(root: HeldFolder): Promise<string | undefined> {
  try {
    const file = await root.openFile(markerName);
    if (file === undefined) return undefined;
    await using handle = file.handle;
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(longestMarker), 0, longestMarker, 0);
    return markerSchema.parse(JSON.parse(buffer.toString('utf8', 0, bytesRead))).backup;
  } catch (error) {
    throw fileError(error, join(root.path, markerName), 'configuration');
  }
}
