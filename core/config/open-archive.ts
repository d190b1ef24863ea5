/** From the configuration of an archive to an open one, or to what stands in its place. */
import type { CallOptions } from '../call-options.ts';
import { isMirrorError, MirrorError } from '../errors.ts';
import { emptyArchive, failingArchive } from '../stores/archive/absent-archive.ts';
import { Archive, type ArchiveOptions, openArchive } from '../stores/archive/archive.ts';
import { openObjectStorage } from '../stores/archive/archive-location.ts';
import { type ArchiveSource, readManifest } from '../stores/archive/manifest.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import type { OrthancStore } from '../stores/orthanc/orthanc-store.ts';
import type { DestinationStore } from '../stores/store.ts';
import type { ArchiveConfiguration } from './schema.ts';

/** What is done about an archive that is not as it should be. */
export interface ArchivePolicy extends Pick<ArchiveOptions, 'writer' | 'onFutureTime'> {
  /**
   * What a place becomes that holds no archive.
   * - `create`: the archive of the source.
   * - `create-or-wait`: the same, unless these credentials may not make one: then `busy`, as another process will.
   * - `empty`: an archive that holds nothing and takes nothing.
   */
  readonly absent: 'create' | 'create-or-wait' | 'empty';
  /**
   * What becomes of one that is out of reach; a wrong one is always thrown.
   * - `throw`: its error.
   * - `open-later`: an archive that `Archive.prove` opens.
   * - `fail`: one that answers every call with its error, so that other destinations are served.
   */
  readonly outOfReach: 'throw' | 'open-later' | 'fail';
}

/** Makes what an archive is made for, when it is known that one is to be made. */
export type FindSource = (options: CallOptions) => Promise<ArchiveSource>;

/** What the archive of a source is made for. A restore works when the source is gone: only a new archive asks it. */
export function archiveSourceOf(source: OrthancStore, name = source.name): FindSource {
  return async (options) => {
    const { serverIdentifier } = await source.capabilities(options);
    return { name, ...(serverIdentifier !== undefined && { serverIdentifier }) };
  };
}

/** Opens the storage of an archive, without a request yet. Throws `configuration` if it is not said which bucket. */
export async function storageOf(archive: ArchiveConfiguration): Promise<ObjectStorage> {
  if ('folder' in archive) return openObjectStorage({ kind: 'folder', path: archive.folder });
  const { bucket, prefix = '', endpoint, region, objectLock } = archive;
  if (bucket === undefined) {
    throw new MirrorError('configuration', 'the configuration names no "bucket" for the archive; name it');
  }
  return openObjectStorage({ kind: 's3', bucket, prefix }, { endpoint, region, objectLock });
}

/** Opens an archive that must exist. Throws what opening throws; nothing stays open then. */
export async function openExistingArchive(
  archive: ArchiveConfiguration,
  options: ArchiveOptions & CallOptions = {},
): Promise<Archive> {
  const objects = await storageOf(archive);
  try {
    return await openArchive(objects, options);
  } catch (error) {
    await objects.close();
    throw error;
  }
}

/** Opens an archive to write to it. Throws as the policy says; nothing stays open then. */
export async function openArchiveAs(
  archive: ArchiveConfiguration,
  findSource: FindSource,
  { absent, outOfReach, writer, onFutureTime, signal }: ArchivePolicy & CallOptions,
): Promise<DestinationStore> {
  const objects = await storageOf(archive);
  const options = { writer, onFutureTime };
  try {
    const isThere = (await readManifest(objects, { signal })) !== undefined;
    if (isThere) return await openArchive(objects, { ...options, signal });
    if (absent !== 'empty') {
      const createFor = await findSource({ signal });
      const made = openArchive(objects, { ...options, createFor, signal });
      return await (absent === 'create' ? made : made.catch(notMadeYet(objects)));
    }
  } catch (error) {
    const isWrong = !isMirrorError(error) || isMirrorError(error, 'configuration', 'archive-format');
    if (!isWrong && outOfReach === 'open-later') return new Archive(objects, options);
    await objects.close();
    if (isWrong || outOfReach !== 'fail') throw error;
    return failingArchive(objects.name, error);
  }
  await objects.close();
  return emptyArchive(objects.name);
}

/** In the cloud only the scheduler may make an archive; another function that is quicker is invoked again. */
function notMadeYet({ name }: ObjectStorage): (error: unknown) => never {
  return (cause) => {
    if (!isMirrorError(cause, 'forbidden')) throw cause;
    const what = 'holds no archive yet, and these credentials may not make one: the scheduler does at its first tick';
    throw new MirrorError('busy', `${name} ${what}`, { cause });
  };
}
