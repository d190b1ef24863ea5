/** Opens the stores that a mirror names. */
import type { ArchiveConfiguration } from '../core/config/schema.ts';
import { credentialsOf, tlsMaterialOf } from '../core/config/server-access.ts';
import type { Destination } from '../core/copy/outcome.ts';
import { MirrorError } from '../core/errors.ts';
import { type SecretResolver, secretResolver } from '../core/secrets/resolve-secret.ts';
import { secretsManagerFetcher } from '../core/secrets/secrets-manager.ts';
import { openArchive } from '../core/stores/archive/archive.ts';
import { openObjectStorage } from '../core/stores/archive/archive-location.ts';
import { readManifest } from '../core/stores/archive/manifest.ts';
import type { ObjectStorage } from '../core/stores/archive/object-storage.ts';
import { type OrthancStore, openOrthancStore } from '../core/stores/orthanc/orthanc-store.ts';
import type { CallOptions, DestinationStore } from '../core/stores/store.ts';
import { emptyDestination } from './empty-destination.ts';
import type { NamedMirror } from './named-mirror.ts';
import type { NamedServer } from './server-options.ts';

export interface OpenMirrorOptions extends CallOptions {
  /** Whether an archive that does not exist is made; if not, it counts as empty. */
  readonly createArchive: boolean;
  readonly warn: (line: string) => void;
}

/** The open stores; disposing of it closes them. */
export interface OpenMirror extends AsyncDisposable {
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
  const destinations: Destination[] = [];
  for (const target of mirror.targets) destinations.push({ role: 'target', store: await open(target) });
  if (mirror.archive !== undefined) {
    const store = await openDestinationArchive(mirror.archive, source.name, options);
    opening.defer(() => store.close());
    destinations.push({ role: 'archive', store });
  }
  const stores = opening.move();
  return { source, destinations, [Symbol.asyncDispose]: () => stores.disposeAsync() };
}

async function openServer(
  { name, configuration, urlCredentials }: NamedServer & { readonly name: string | undefined },
  secrets: SecretResolver,
  { signal, warn }: OpenMirrorOptions,
): Promise<OrthancStore> {
  const { url, maxConnections } = configuration;
  if (urlCredentials !== undefined) {
    warn(`the password in the URL of ${new URL(url).host} can be read by everybody on this machine; see --help`);
  }
  const credentials = urlCredentials === undefined ? credentialsOf(configuration, secrets) : basic(urlCredentials);
  const tls = await tlsMaterialOf(configuration, secrets);
  return openOrthancStore({ name, url, maxConnections, credentials, tls, signal });
}

function basic({ username, password }: { readonly username: string; readonly password: string }) {
  const authorization = `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
  return async () => ({ authorization });
}

async function openDestinationArchive(
  archive: ArchiveConfiguration,
  sourceName: string,
  { createArchive, signal }: OpenMirrorOptions,
): Promise<DestinationStore> {
  const objects = storageOf(archive);
  try {
    if (createArchive) return await openArchive(objects, { signal, createFor: { name: sourceName } });
    const exists = (await readManifest(objects, { signal })) !== undefined;
    if (exists) return await openArchive(objects, { signal });
  } catch (error) {
    await objects.close();
    throw error;
  }
  await objects.close();
  return emptyDestination(objects.name);
}

function storageOf(archive: ArchiveConfiguration): ObjectStorage {
  if ('folder' in archive) return openObjectStorage({ kind: 'folder', path: archive.folder });
  const { bucket, prefix = '', endpoint, region } = archive;
  if (bucket === undefined) {
    throw new MirrorError(
      'configuration',
      'the configuration names no "bucket" for the archive; add it, or give --archive',
    );
  }
  return openObjectStorage({ kind: 's3', bucket, prefix }, { endpoint, region });
}
