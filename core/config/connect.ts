/** From a configured mirror to open stores: the one place where servers, secrets and archives are put together. */
import type { Destination } from '../copy/outcome.ts';
import { isMirrorError, MirrorError } from '../errors.ts';
import { type SourceReader, sourceReader } from '../mirror/reader.ts';
import { type Archive, openArchive } from '../stores/archive/archive.ts';
import { FolderObjects } from '../stores/archive/folder-objects.ts';
import type { FutureTime } from '../stores/archive/future-times.ts';
import type { ArchiveWriter } from '../stores/archive/history-record.ts';
import { readManifest } from '../stores/archive/manifest.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { S3Objects, type S3ObjectsOptions } from '../stores/archive/s3-objects.ts';
import type { EgressRules } from '../stores/orthanc/egress-guard.ts';
import { type OrthancStore, openOrthancStore } from '../stores/orthanc/orthanc-store.ts';
import { archivePrefixOf } from './archive-location.ts';
import type { ArchiveConfiguration, MirrorConfiguration } from './schema.ts';
import type { SecretResolver } from './secrets/resolve-secret.ts';
import { boundsOf, connectionsPerProcess, credentialsOf, tlsMaterialOf } from './server-access.ts';
import type { ServerConfiguration } from './server-schema.ts';
import { sourceName, targetStoreName } from './store-names.ts';

export interface ConnectOptions {
  readonly secrets: SecretResolver;
  /** Bucket of archives that name none: the one of the stack. */
  readonly bucket?: string;
  /** How the bucket of the stack is locked; see {@link S3ObjectsOptions.objectLock}. */
  readonly objectLock?: S3ObjectsOptions['objectLock'];
  /** Which addresses servers may have; absent: any. */
  readonly egress?: EgressRules;
  /** How many processes work with a server at once, which share its connections; default: one. */
  readonly processes?: (server: ServerConfiguration) => number;
  /** Who writes to the archive; see {@link openArchive}. */
  readonly writer?: ArchiveWriter | undefined;
  /** Told of records and sidecars whose times lie in the future. */
  readonly onFutureTime?: ((mirror: string, found: FutureTime) => void) | undefined;
}

/** A mirror whose stores are open. */
export interface ConnectedMirror extends SourceReader {
  readonly source: OrthancStore;
  /** The targets in the order of the configuration, then the archive. */
  readonly destinations: readonly Destination[];
  /** Those of them that are servers, with what only servers can. */
  readonly targets: readonly { readonly destination: Destination; readonly store: OrthancStore }[];
  readonly archive: Archive | undefined;
  /** Frees all connections. Idempotent. */
  close(): Promise<void>;
}

/**
 * Opens the stores of a mirror; an empty place becomes the archive of its source.
 * Throws a MirrorError of the store, secret or archive that could not be opened, and leaves nothing open then.
 */
export async function connectMirror(
  name: string,
  mirror: MirrorConfiguration,
  options: ConnectOptions,
): Promise<ConnectedMirror> {
  const open = new AsyncDisposableStack();
  try {
    const source = await connectServer(sourceName(name), mirror.source, options);
    open.defer(() => source.close());
    const targets: ConnectedMirror['targets'][number][] = [];
    for (const [targetName, server] of Object.entries(mirror.targets)) {
      const store = await connectServer(targetStoreName(name, targetName), server, options);
      open.defer(() => store.close());
      targets.push({ destination: { role: 'target', store }, store });
    }
    const destinations = targets.map(({ destination }) => destination);
    const archive = mirror.archive && (await connectArchive(name, mirror, mirror.archive, source, options));
    if (archive !== undefined) {
      open.defer(() => archive.close());
      destinations.push({ role: 'archive', store: archive });
    }
    const opened = open.move();
    return {
      source,
      ...sourceReader(source, mirror, options.processes?.(mirror.source)),
      destinations,
      targets,
      archive,
      close: () => opened.disposeAsync(),
    };
  } catch (error) {
    await open.disposeAsync();
    throw error;
  }
}

async function connectServer(
  name: string,
  server: ServerConfiguration,
  { secrets, egress, processes = () => 1 }: ConnectOptions,
): Promise<OrthancStore> {
  return openOrthancStore({
    name,
    url: server.url,
    authorization: credentialsOf(server, secrets),
    tls: await tlsMaterialOf(server, secrets),
    maxConnections: connectionsPerProcess(server, processes(server)),
    ...boundsOf(server),
    egress,
  });
}

async function connectArchive(
  name: string,
  mirror: MirrorConfiguration,
  archive: ArchiveConfiguration,
  source: OrthancStore,
  options: ConnectOptions,
): Promise<Archive> {
  const { writer } = options;
  const objects = archiveStorage(name, mirror, archive, options);
  const onFutureTime = (found: FutureTime) => options.onFutureTime?.(name, found);
  try {
    // A restore must work when the source is gone for good: only a new archive needs to know it.
    if ((await readManifest(objects)) !== undefined) {
      return await openArchive(objects, { writer, onFutureTime });
    }
    const { serverIdentifier } = await source.capabilities();
    return await openArchive(objects, {
      createFor: { name, ...(serverIdentifier === undefined ? {} : { serverIdentifier }) },
      writer,
      onFutureTime,
    }).catch(notMadeYet(objects));
  } catch (error) {
    await objects.close();
    throw error;
  }
}

/** In the cloud only the scheduler may make an archive; another function that is quicker is invoked again. */
function notMadeYet({ name }: ObjectStorage): (error: unknown) => never {
  return (cause) => {
    if (!isMirrorError(cause, 'forbidden')) throw cause;
    const what = 'holds no archive yet, and these credentials may not make one: the scheduler does at its first tick';
    throw new MirrorError('busy', `${name} ${what}`, { cause });
  };
}

function archiveStorage(
  name: string,
  mirror: MirrorConfiguration,
  archive: ArchiveConfiguration,
  stack: Pick<ConnectOptions, 'bucket' | 'objectLock'>,
): ObjectStorage {
  if ('folder' in archive) {
    return new FolderObjects(archive.folder);
  }
  const { bucket = stack.bucket, prefix, endpoint, region, objectLock = stack.objectLock } = archive;
  if (bucket === undefined) {
    throw new MirrorError(
      'configuration',
      `mirrors.${name}.archive.bucket: is missing; name the bucket of the archive.`,
    );
  }
  const ownPrefix = archive.bucket === undefined ? archivePrefixOf(name, mirror) : prefix;
  return new S3Objects({ bucket, prefix: ownPrefix, endpoint, region, objectLock });
}
