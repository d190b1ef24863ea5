/** What a running Orthanc tells about itself over REST. */
import * as z from 'zod';
import { MirrorError } from '../../errors.ts';
import { type Backend, type FoundServer, unknownServer } from '../../orthanc-disk/found-server.ts';
import { isBefore, parseVersion, version } from '../../orthanc-disk/orthanc-version.ts';
import { postgresqlRevisionOf } from './plugin-revisions.ts';

/** Reads a JSON document of the server; `undefined` where it answers 404. */
export type ReadJson = (path: string) => Promise<unknown>;

// Very old servers tell less; DatabaseBackendPlugin came with 0.9.5, null where the index is SQLite.
const system = z.object({
  Version: z.string(),
  DatabaseVersion: z.number().optional(),
  DatabaseBackendPlugin: z.string().nullish(),
});
const statistics = z.object({ CountInstances: z.number(), TotalDiskSize: z.coerce.number() });
const plugin = z.object({ Version: z.string() });

/** Parts of the file names of index plugins, and how `/plugins` calls them. */
const indexPlugins: readonly { readonly part: string; readonly id: string; readonly backend: Backend }[] = [
  { part: 'PostgreSQL', id: 'postgresql-index', backend: 'postgresql' },
  { part: 'MySQL', id: 'mysql-index', backend: 'mysql' },
  { part: 'Odbc', id: 'odbc-index', backend: 'odbc' },
];

/**
 * Asks a server what it is. Throws `not-orthanc` if `/system` is not what an Orthanc answers, and what `readJson`
 * throws.
 */
export async function describeServer(readJson: ReadJson): Promise<FoundServer> {
  const parsed = system.safeParse(await readJson('/system'));
  if (!parsed.success) throw new MirrorError('not-orthanc', 'the server answers, but not as an Orthanc does');
  const { Version, DatabaseVersion, DatabaseBackendPlugin } = parsed.data;
  const orthanc = parseVersion(Version);
  const counted = statistics.safeParse(await readJson('/statistics'));
  const totals = counted.success ? counted.data : undefined;
  const index = await describeIndex(DatabaseBackendPlugin ?? undefined, readJson);
  return {
    ...unknownServer,
    ...index,
    orthanc,
    // Every release from 0.9.5 on refuses to run on anything but version 6.
    schema: DatabaseVersion ?? (orthanc !== undefined && !isBefore(orthanc, version('0.9.5')) ? 6 : undefined),
    instances: totals?.CountInstances,
    storedBytes: totals?.TotalDiskSize,
  };
}

async function describeIndex(
  path: string | undefined,
  readJson: ReadJson,
): Promise<Pick<FoundServer, 'backend' | 'plugin' | 'revision'>> {
  if (path === undefined) return { backend: 'sqlite', plugin: undefined, revision: undefined };
  const known = indexPlugins.find(({ part }) => path.toLowerCase().includes(part.toLowerCase()));
  if (known === undefined) return { backend: 'other', plugin: undefined, revision: undefined };
  const answer = plugin.safeParse(await readJson(`/plugins/${known.id}`));
  const release = answer.success ? parseVersion(answer.data.Version) : undefined;
  const isPostgresql = known.backend === 'postgresql' && release !== undefined;
  return {
    backend: known.backend,
    plugin: release,
    revision: isPostgresql ? postgresqlRevisionOf(release).revision : undefined,
  };
}
