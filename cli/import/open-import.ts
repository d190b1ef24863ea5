/** Opens what an import reads from and writes to. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openArchiveAs } from '../../core/config/open-archive.ts';
import type { Destination } from '../../core/copy/outcome.ts';
import { isMirrorError, MirrorError } from '../../core/errors.ts';
import { bucketSource } from '../../core/import/bucket-source.ts';
import { folderSource } from '../../core/import/folder-source.ts';
import type { ImportSource } from '../../core/import/found.ts';
import { isSqliteFile } from '../../core/orthanc-disk/index/sqlite-database.ts';
import { StorageIndex } from '../../core/orthanc-disk/index/storage-index.ts';
import { Archive } from '../../core/stores/archive/archive.ts';
import { openObjectStorage, parseArchiveLocation } from '../../core/stores/archive/archive-location.ts';
import type { ObjectStorage } from '../../core/stores/archive/object-storage.ts';
import type { OrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import type { DestinationStore } from '../../core/stores/store.ts';
import { parseArchive } from '../archive-argument.ts';
import { reasonOf } from '../next-steps.ts';
import { openServerOfUrl, proveWritable } from '../open-mirror.ts';
import type { ImportArguments } from './options.ts';

/** Opens the folder or bucket to import from. Throws `configuration` if the path makes no sense. */
export async function openSource({ path, options }: ImportArguments): Promise<ImportSource> {
  if (!path.startsWith('s3://')) {
    if (/^[a-z]+:\/\//i.test(path)) {
      throw new MirrorError(
        'configuration',
        'PATH is a folder, a file or s3://bucket/prefix; `run` copies from a server',
      );
    }
    await stat(path).catch((cause: unknown) => {
      throw new MirrorError('configuration', 'there is nothing to import at this path; check it', { cause });
    });
    return folderSource(Buffer.from(path));
  }
  const endpoint = options.sourceEndpoint ?? options.endpoint;
  return bucketSource(await openObjectStorage(parseArchiveLocation(path), { endpoint }), '');
}

/** The open destinations. */
export interface OpenDestinations {
  readonly target: OrthancStore | undefined;
  /** Where the archive lies, for its sidecars; `undefined` without one, and in a dry run. */
  readonly archiveObjects: ObjectStorage | undefined;
  readonly destinations: readonly Destination[];
  close(): Promise<void>;
}

/** Opens server and archive. Throws what opening throws; nothing stays open then. */
export async function openDestinations(
  { options, values }: ImportArguments,
  warn: (line: string) => void,
): Promise<OpenDestinations> {
  if (options.to === undefined && options.archive === undefined) {
    throw new MirrorError(
      'configuration',
      'there is nowhere to import to: name a server by --to, an --archive, or both',
    );
  }
  await using opening = new AsyncDisposableStack();
  const destinations: Destination[] = [];
  let target: OrthancStore | undefined;
  if (options.to !== undefined) {
    target = await openServerOfUrl('target', options.to, values, warn, '--to');
    opening.use(closing(target));
    await target.capabilities();
    destinations.push({ role: 'target', store: target });
  }
  const archive = await openArchiveOf({ options });
  if (archive !== undefined) {
    opening.use(closing(archive));
    destinations.push({ role: 'archive', store: archive });
  }
  const opened = opening.move();
  const archiveObjects = archive instanceof Archive ? archive.objects : undefined;
  return { target, archiveObjects, destinations, close: () => opened.disposeAsync() };
}

/** Opens the archive, and makes it if the place is empty; in a dry run an archive that does not exist holds nothing. */
async function openArchiveOf({ options }: Pick<ImportArguments, 'options'>): Promise<DestinationStore | undefined> {
  const place = parseArchive(options.archive, options.endpoint);
  if (place === undefined) {
    return undefined;
  }
  if (options.dryRun === true) await proveWritable(place, {});
  const absent = options.dryRun === true ? 'empty' : 'create';
  return openArchiveAs(place, async () => ({ name: 'import' }), { absent, outOfReach: 'throw', writer: 'import' });
}

function closing(store: DestinationStore): AsyncDisposable {
  return { [Symbol.asyncDispose]: () => store.close() };
}

/** @param given a file; `false`: none; anything else: the one in the folder, if there is one */
export async function openIndex(path: string, given: string | boolean | undefined): Promise<StorageIndex | undefined> {
  if (given === false) {
    return undefined;
  }
  if (typeof given === 'string') {
    return StorageIndex.open(given);
  }
  const beside = join(path, 'index');
  if (path.startsWith('s3://') || !(await isSqliteFile(beside))) return undefined;
  return StorageIndex.open(beside).catch(orWithoutIt);
}

/** Nobody asked for the index that lies beside the files: it can be left out. */
function orWithoutIt(cause: unknown): never {
  if (!isMirrorError(cause)) throw cause;
  throw new MirrorError('configuration', `${reasonOf(cause)}; or import without the index (--no-index)`, { cause });
}
