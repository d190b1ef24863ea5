/** Opens the stores that a mirror names. */

import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { CallOptions } from '../core/call-options.ts';
import type { ArchiveConfiguration } from '../core/config/schema.ts';
import { type SecretResolver, secretResolver } from '../core/config/secrets/resolve-secret.ts';
import { secretsManagerFetcher } from '../core/config/secrets/secrets-manager.ts';
import { boundsOf, credentialsOf, tlsMaterialOf } from '../core/config/server-access.ts';
import type { Destination } from '../core/copy/outcome.ts';
import { isMirrorError, MirrorError } from '../core/errors.ts';
import { type SourceReader, sourceReader } from '../core/mirror/reader.ts';
import { Archive, openArchive } from '../core/stores/archive/archive.ts';
import { openObjectStorage } from '../core/stores/archive/archive-location.ts';
import type { FutureTime } from '../core/stores/archive/future-times.ts';
import type { ArchiveSource } from '../core/stores/archive/manifest.ts';
import { readManifest } from '../core/stores/archive/manifest.ts';
import type { ObjectStorage } from '../core/stores/archive/object-storage.ts';
import { type OrthancStore, openOrthancStore } from '../core/stores/orthanc/orthanc-store.ts';
import type { DestinationStore } from '../core/stores/store.ts';
import { emptyArchive, failingArchive } from './absent-archive.ts';
import type { NamedMirror } from './named-mirror.ts';
import type { NamedServer } from './server-options.ts';

export interface OpenMirrorOptions extends CallOptions {
  /** Whether an archive that does not exist is made; if not, it counts as empty. */
  readonly createArchive: boolean;
  /** Whether an archive that is out of reach is opened later, by `Archive.prove`; if not, all its calls fail. */
  readonly openLater?: boolean;
  readonly warn: (line: string) => void;
  /** Told of records and sidecars in the archive whose times lie in the future. */
  readonly onFutureTime?: ((found: FutureTime) => void) | undefined;
}

/** The open stores; disposing of it closes them. */
export interface OpenMirror extends AsyncDisposable, SourceReader {
  readonly source: OrthancStore;
  readonly destinations: readonly Destination[];
}

/** Opens everything. Throws what opening throws; nothing stays open then. */
export async function openMirror(mirror: NamedMirror, options: OpenMirrorOptions): Promise<OpenMirror> {
  await using opening = new AsyncDisposableStack();
  const secrets = secretResolver({ fetchSecret: secretsManagerFetcher() });
  const open = async (server: NamedServer & { readonly name: string | undefined }) => {
    const store = await openServer(server, secrets, options);
    opening.defer(() => store.close());
    return store;
  };
  const source = await open(mirror.source);
  // A source that does not answer ends everything before an archive is made for it.
  await source.capabilities({ signal: options.signal });
  const destinations: Destination[] = [];
  for (const target of mirror.targets) destinations.push({ role: 'target', store: await open(target) });
  if (mirror.archive !== undefined) {
    const store = await openDestinationArchive(mirror.archive, source, options);
    opening.defer(() => store.close());
    destinations.push({ role: 'archive', store });
  }
  const stores = opening.move();
  const reader = sourceReader(source, mirror.limits);
  return { source, ...reader, destinations, [Symbol.asyncDispose]: () => stores.disposeAsync() };
}

/** Opens a server, without a request yet. */
export async function openServer(
  { name, configuration, urlCredentials, warnings }: NamedServer & { readonly name: string | undefined },
  secrets: SecretResolver,
  { warn }: Pick<OpenMirrorOptions, 'warn'>,
): Promise<OrthancStore> {
  for (const warning of warnings) warn(warning);
  const { url, maxConnections } = configuration;
  const authorization = urlCredentials ?? credentialsOf(configuration, secrets);
  const tls = await tlsMaterialOf(configuration, secrets);
  return openOrthancStore({ name, url, maxConnections, authorization, tls, ...boundsOf(configuration) });
}

/** An archive that is out of reach becomes one that fails, or that is opened later; a wrong one is thrown. */
async function openDestinationArchive(
  archive: ArchiveConfiguration,
  source: OrthancStore,
  options: OpenMirrorOptions,
): Promise<DestinationStore> {
  const objects = storageOf(archive);
  try {
    const opened = await openOrCreate(objects, source, options);
    if (opened !== undefined) return opened;
  } catch (error) {
    const isWrong = !isMirrorError(error) || isMirrorError(error, 'configuration', 'archive-format');
    if (!isWrong && options.openLater === true) {
      return new Archive(objects, { writer: 'run', onFutureTime: options.onFutureTime });
    }
    await objects.close();
    if (isWrong) throw error;
    return failingArchive(objects.name, error);
  }
  await objects.close();
  return emptyArchive(objects.name);
}

/** @returns `undefined` if there is no archive, and none is to be made */
async function openOrCreate(
  objects: ObjectStorage,
  source: OrthancStore,
  { createArchive, onFutureTime, signal }: OpenMirrorOptions,
): Promise<DestinationStore | undefined> {
  if (!createArchive && (await readManifest(objects, { signal })) === undefined) return undefined;
  const createFor = createArchive ? await archiveSourceOf(source, { signal }) : undefined;
  return openArchive(objects, { signal, writer: 'run', onFutureTime, createFor });
}

/** What the archive of a source is made for. */
export async function archiveSourceOf(source: OrthancStore, options: CallOptions): Promise<ArchiveSource> {
  const { serverIdentifier } = await source.capabilities(options);
  return { name: source.name, ...(serverIdentifier !== undefined && { serverIdentifier }) };
}

/** Opens the storage of an archive, without a request yet. */
export function storageOf(archive: ArchiveConfiguration): ObjectStorage {
  if ('folder' in archive) return openObjectStorage({ kind: 'folder', path: archive.folder });
  const { bucket, prefix = '', endpoint, region, objectLock } = archive;
  if (bucket === undefined) {
    throw new MirrorError(
      'configuration',
      'the configuration names no "bucket" for the archive; add it, or give --archive',
    );
  }
  return openObjectStorage({ kind: 's3', bucket, prefix }, { endpoint, region, objectLock });
}

/**
 * Proves that an archive could be written to, and writes nothing. Throws what the first write would throw.
 */
export async function proveWritable(archive: ArchiveConfiguration, options: CallOptions): Promise<void> {
  if ('folder' in archive) return proveWritableFolder(archive.folder);
  const objects = storageOf(archive);
  try {
    await objects.prepare(options);
    // Whoever may not write is told so before the condition is looked at, which no object meets.
    await objects.replaceIf('state/write-test.json', Buffer.from('{}'), '"none"', options);
  } finally {
    await objects.close();
  }
}

/** A folder that does not exist yet is made in its parent. */
async function proveWritableFolder(path: string): Promise<void> {
  const place = (await stat(path).catch(() => undefined)) === undefined ? dirname(resolve(path)) : path;
  await access(place, constants.W_OK | constants.X_OK).catch((cause: unknown) => {
    const { code } = z.looseObject({ code: z.string().default('?') }).parse(cause);
    if (code === 'ENOENT')
      throw new MirrorError('configuration', `there is no folder ${place}; create it, or check the path`);
    throw new MirrorError(
      'read-only',
      `the folder ${place} cannot be written to (${code}); let this user write there`,
      { cause },
    );
  });
}
