/** From configured servers and mirrors to open stores: the one place where they, secrets and archives are put together. */
import type { CallOptions } from '../call-options.ts';
import type { Destination } from '../copy/outcome.ts';
import { type SourceLimits, type SourceReader, sourceReader } from '../mirror/reader.ts';
import { Archive } from '../stores/archive/archive.ts';
import type { OrthancConnection } from '../stores/orthanc/connection.ts';
import type { EgressRules } from '../stores/orthanc/egress-guard.ts';
import { type OrthancStore, openOrthancStore } from '../stores/orthanc/orthanc-store.ts';
import { type ArchivePolicy, archiveSourceOf, openArchiveAs } from './open-archive.ts';
import type { ArchiveConfiguration } from './schema.ts';
import { type SecretResolver, secretResolver } from './secrets/resolve-secret.ts';
import { boundsOf, connectionsPerProcess, credentialsOf, tlsMaterialOf } from './server-access.ts';
import type { ServerConfiguration } from './server-schema.ts';

/** A server, as a configuration or the command line names it. */
export interface ServerToOpen {
  /** How it is called in messages; its address if absent. */
  readonly name: string | undefined;
  readonly configuration: ServerConfiguration;
  /** These take the place of the configured ones. */
  readonly urlCredentials?: OrthancConnection['authorization'];
}

export interface OpenServerOptions {
  /** Default: a resolver of its own. */
  readonly secrets?: SecretResolver | undefined;
  /** Which addresses servers may have; absent: any. */
  readonly egress?: EgressRules | undefined;
  /** How many processes work with a server at once, which share its connections; default: one. */
  readonly processes?: ((server: ServerConfiguration) => number) | undefined;
}

/** Opens a server, without a request yet. Throws what its secrets throw. */
export async function openServer(
  { name, configuration, urlCredentials }: ServerToOpen,
  { secrets = secretResolver(), egress, processes = () => 1 }: OpenServerOptions = {},
): Promise<OrthancStore> {
  return openOrthancStore({
    name,
    url: configuration.url,
    authorization: urlCredentials ?? credentialsOf(configuration, secrets),
    tls: await tlsMaterialOf(configuration, secrets),
    maxConnections: connectionsPerProcess(configuration, processes(configuration)),
    ...boundsOf(configuration),
    egress,
  });
}

/** A mirror, as a configuration or the command line names it. */
export interface MirrorToOpen {
  readonly source: ServerToOpen;
  readonly targets: readonly ServerToOpen[];
  readonly archive: ArchiveConfiguration | undefined;
  readonly limits: SourceLimits;
}

export interface OpenMirrorOptions extends OpenServerOptions, ArchivePolicy, CallOptions {
  /** What an archive that is made says whose it is; default: the name of the source. */
  readonly archiveName?: string | undefined;
  /** Whether a source that does not answer is an error before anything else is opened. */
  readonly askSource: boolean;
}

/** A mirror whose stores are open; disposing of it frees all connections. */
export interface OpenMirror extends AsyncDisposable, SourceReader {
  readonly source: OrthancStore;
  /** The targets in the order of the configuration, then the archive. */
  readonly destinations: readonly Destination[];
  /** Those of them that are servers, with what only servers can. */
  readonly targets: readonly { readonly destination: Destination; readonly store: OrthancStore }[];
  /** The archive, unless something stands in its place: see {@link ArchivePolicy}. */
  readonly archive: Archive | undefined;
}

/** Opens the stores of a mirror. Throws the error of what could not be opened; nothing stays open then. */
export async function openMirror(mirror: MirrorToOpen, options: OpenMirrorOptions): Promise<OpenMirror> {
  const { askSource, archiveName, secrets = secretResolver(), signal } = options;
  await using opening = new AsyncDisposableStack();
  const open = async (server: ServerToOpen): Promise<OrthancStore> => {
    const store = await openServer(server, { ...options, secrets });
    opening.defer(() => store.close());
    return store;
  };
  const source = await open(mirror.source);
  if (askSource) await source.capabilities({ signal });
  const targets: OpenMirror['targets'][number][] = [];
  for (const target of mirror.targets) {
    const store = await open(target);
    targets.push({ destination: { role: 'target', store }, store });
  }
  const destinations = targets.map(({ destination }) => destination);
  const archive =
    mirror.archive && (await openArchiveAs(mirror.archive, archiveSourceOf(source, archiveName), options));
  if (archive !== undefined) {
    opening.defer(() => archive.close());
    destinations.push({ role: 'archive', store: archive });
  }
  const opened = opening.move();
  return {
    source,
    ...sourceReader(source, mirror.limits, options.processes?.(mirror.source.configuration)),
    destinations,
    targets,
    archive: archive instanceof Archive ? archive : undefined,
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}
