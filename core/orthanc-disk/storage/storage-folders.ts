/** The folders that storage files may lie in, and where in them the file of a row lies. */
import { isAbsolute, relative, resolve } from 'node:path';
import { MirrorError } from '../../errors.ts';
import type { IndexedFile } from '../index/index-reader.ts';
import { storagePath } from './storage-names.ts';

/**
 * The folders that the configuration of Orthanc, or the user, names for storage files. Whatever an index says, no file
 * outside of them is read.
 */
export interface StorageFolders {
  /** `StorageDirectory`. */
  readonly main: string;
  /** `Storages` of the advanced-storage plugin: folders by the ids that stand in rows. */
  readonly byId: ReadonlyMap<string, string>;
  /** Folders that files were taken over from by absolute paths: `Indexer.Folders` of that plugin, and those of the user. */
  readonly others: readonly string[];
}

/** What is needed of a row to find its file. */
export type RowPlace = Pick<IndexedFile, 'uuid' | 'customPlace'>;

/** A place in one of {@link allFolders}. */
export interface PlaceInFolder {
  /** Which of them. */
  readonly folder: number;
  /** Relative to it, names joined by `/`. */
  readonly path: string;
}

/** A storage of one folder. */
export function oneFolder(main: string, others: readonly string[] = []): StorageFolders {
  return { main, byId: new Map(), others };
}

/** The same folders and those that a user names. */
export function withFolders(folders: StorageFolders, others: readonly string[] = []): StorageFolders {
  return { ...folders, others: [...folders.others, ...others] };
}

/** All folders as absolute paths, each once; the main one is the first. */
export function allFolders({ main, byId, others }: StorageFolders): readonly string[] {
  return [...new Set([main, ...byId.values(), ...others].map((folder) => resolve(folder)))];
}

/** The absolute path of a row's file. Throws `refused` if it belongs to a folder that the configuration does not name. */
export function pathOfRow({ main, byId }: StorageFolders, { uuid, customPlace }: RowPlace): string {
  const path = customPlace?.path ?? storagePath(uuid);
  if (isAbsolute(path)) return resolve(path);
  const id = customPlace?.storageId;
  const folder = id === undefined ? main : byId.get(id);
  if (folder !== undefined) return resolve(folder, path);
  throw new MirrorError('refused', `file ${uuid} lies in a storage that the configuration of Orthanc does not name`);
}

/** Where the file of a row lies. Throws `refused` if that is outside of all folders. */
export function placeOfRow(folders: StorageFolders, row: RowPlace): PlaceInFolder {
  const place = placeOfPath(allFolders(folders), pathOfRow(folders, row));
  if (place !== undefined) return place;
  throw new MirrorError(
    'refused',
    `file ${row.uuid} lies outside of the folders that the configuration of Orthanc names; if it belongs to the ` +
      'storage, name its folder',
    { advice: 'name-storage-folder' },
  );
}

/** In which of the folders an absolute path lies: the innermost. */
export function placeOfPath(folders: readonly string[], path: string): PlaceInFolder | undefined {
  let innermost: PlaceInFolder | undefined;
  for (const [folder, root] of folders.entries()) {
    const below = relative(root, path);
    if (below === '' || below === '..' || below.startsWith('../')) continue;
    if (innermost === undefined || below.length < innermost.path.length) innermost = { folder, path: below };
  }
  return innermost;
}
