/** Where a backup is restored to, and the refusal to write over anything. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { MirrorError } from '../../errors.ts';
import { fileError, systemCode } from '../file-error.ts';
import type { NamedBackup } from './manifest.ts';
import { writeFileWhole } from './restore-files.ts';

/** Absolute paths. */
export interface RestorePlaces {
  /** The folder that the marker of an unfinished restore lies in. */
  readonly root: string;
  readonly storage: string;
  /** A SQLite index, or the dump of a database that is not restored into one at once. */
  readonly index: string;
  /** Where a configuration file goes. */
  configurationFile(original: string): string;
}

/**
 * Below one new folder: `storage`, `configuration`, and the index in `storage` if it was there on the host (Orthanc's
 * default), else in `index`.
 */
export function placesBelow(folder: string, { manifest }: NamedBackup): RestorePlaces {
  const root = resolve(folder);
  const { kind, path } = manifest.index;
  const storage = join(root, 'storage');
  const besideFiles = path !== undefined && dirname(path) === manifest.storage.folder;
  return {
    root,
    storage,
    index: kind === 'sqlite' ? join(besideFiles ? storage : join(root, 'index'), 'index') : join(root, 'index.dump'),
    configurationFile: (original) => join(root, 'configuration', basename(original)),
  };
}

/** Where everything was on the host; the marker and a dump go to the storage folder's parent. */
export function originalPlaces({ manifest }: NamedBackup): RestorePlaces {
  const { folder } = manifest.storage;
  const root = dirname(folder ?? manifest.index.path ?? '');
  if (root === '.') {
    throw new MirrorError('configuration', 'this backup has no folders of its own; restore it by --to FOLDER');
  }
  return {
    root,
    storage: folder ?? root,
    index: manifest.index.path ?? join(root, 'index.dump'),
    configurationFile: (original) => original,
  };
}

const markerName = '.orthanc-mirror-restore.json';
const markerSchema = z.object({ backup: z.string() });

/**
 * Refuses to write over anything but an unfinished restore of the same backup, and marks the folder. Throws
 * `configuration`.
 */
export async function claimPlaces(places: RestorePlaces, id: string): Promise<void> {
  const marker = join(places.root, markerName);
  const unfinished = await readMarker(marker);
  if (unfinished !== undefined && unfinished !== id) {
    throw new MirrorError(
      'configuration',
      `${places.root} holds an unfinished restore of ${unfinished}; empty it first`,
    );
  }
  if (unfinished === id) return;
  for (const folder of new Set([places.storage, dirname(places.index)])) await refuseContent(folder, places.root);
  await writeFileWhole(marker, content({ backup: id }));
}

/** Takes the mark away: the restore is complete. */
export async function releasePlaces(places: RestorePlaces): Promise<void> {
  await rm(join(places.root, markerName), { force: true });
}

async function refuseContent(folder: string, root: string): Promise<void> {
  try {
    const [first] = await readdir(folder);
    // A dump lies in the root itself, beside folders that are checked on their own.
    if (first === undefined || (folder === root && first !== 'index.dump')) return;
    const running = (await readdir(folder)).includes('index-wal') ? ', and an Orthanc seems to run on it' : '';
    throw new MirrorError('configuration', `${folder} is not empty${running}; restore to an empty folder`);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw fileError(error, folder, 'configuration');
  }
}

async function readMarker(path: string): Promise<string | undefined> {
  try {
    return markerSchema.parse(JSON.parse(await readFile(path, 'utf8'))).backup;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, path, 'configuration');
  }
}

async function* content(value: unknown): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`${JSON.stringify(value)}\n`);
}
