/** The work of `advise`: finds out what is there, decides, prints. */
import * as z from 'zod';
import { allEnvironmentVariables } from '../../core/environment.ts';
import { MirrorError } from '../../core/errors.ts';
import { adviceLines, adviceRecord } from '../../core/host/advise/advice-text.ts';
import { advise, newestKnown } from '../../core/host/advise/advise.ts';
import { describeServer } from '../../core/host/advise/describe-server.ts';
import type { ReplicationSource } from '../../core/host/advise/replication-steps.ts';
import { type FoundServer, unknownServer, type WantedServer } from '../../core/orthanc-disk/found-server.ts';
import { openIndex } from '../../core/orthanc-disk/index/open-index.ts';
import { type IndexLocation, readOrthancHost } from '../../core/orthanc-disk/orthanc-host.ts';
import {
  compareVersions,
  formatVersion,
  parseVersion,
  type SoftwareVersion,
} from '../../core/orthanc-disk/orthanc-version.ts';
import type { CommandContext } from '../command-context.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { namedIndex } from '../named-index.ts';
import { openServerOfUrl } from '../open-mirror.ts';
import type { AdviseOptions } from './options.ts';

export interface AdviseRequest {
  readonly url: string | undefined;
  /** All option values, those of the server included. */
  readonly values: unknown;
  readonly options: AdviseOptions;
}

export async function runAdvise(request: AdviseRequest, context: CommandContext): Promise<ExitCode> {
  const { terminal } = context;
  const { options } = request;
  const wanted = wantedServer(options);
  const { found, source } = await findOut(request, context);
  const advice = advise(found, wanted, source);
  terminal.tell(adviceRecord(found, wanted, advice), adviceLines(found, wanted, advice));
  return advice.actionNeeded ? exitCodes.different : exitCodes.ok;
}

function wantedServer({ to, toPlugin, toBackend }: AdviseOptions): WantedServer {
  return {
    orthanc: to === undefined ? newestKnown : requireKnown(requireVersion(to, '--to')),
    plugin: toPlugin === undefined ? undefined : requireVersion(toPlugin, '--to-plugin'),
    backend: toBackend,
  };
}

function requireVersion(text: string, option: string): SoftwareVersion {
  const parsed = parseVersion(text);
  if (parsed === undefined) throw new MirrorError('configuration', `${option} must be a version such as 1.12.7`);
  return parsed;
}

/** Nobody can advise on what does not exist yet: an approval would be a guess. */
function requireKnown(wanted: SoftwareVersion): SoftwareVersion {
  if (wanted === 'mainline' || compareVersions(wanted, newestKnown) <= 0) return wanted;
  throw new MirrorError(
    'configuration',
    `--to ${formatVersion(wanted)} is later than ${formatVersion(newestKnown)}, the newest version of Orthanc that is known here; ` +
      'use a newer orthanc-mirror, or check the version',
  );
}

interface Findings {
  readonly found: FoundServer;
  readonly source: ReplicationSource;
}

async function findOut({ url, values, options }: AdviseRequest, context: CommandContext): Promise<Findings> {
  const given = [url, options.index, options.config].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw new MirrorError('configuration', 'give one of: the URL of a server, --index, --config');
  }
  if (url !== undefined) return findOutFromServer(url, values, context);
  if (options.index !== undefined) {
    const found = await findOutFromIndex(namedIndex(options.index, context));
    return { found, source: { url: undefined, storageFolder: undefined } };
  }
  const host = await readOrthancHost(z.string().parse(options.config), allEnvironmentVariables());
  const found = { ...(await findOutFromIndex(host.index)), storesDicom: host.storesDicom };
  const storageFolder = host.storage.kind === 'folder' ? host.storage.folders.main : undefined;
  return { found, source: { url: `http://localhost:${host.httpPort}`, storageFolder } };
}

async function findOutFromServer(
  url: string,
  values: unknown,
  { terminal, interruption }: CommandContext,
): Promise<Findings> {
  const store = await openServerOfUrl('source', url, values, (line) => terminal.warn(line), 'URL');
  try {
    const found = await describeServer((path) => store.client.findJson(path, z.unknown(), { signal: interruption }));
    return { found, source: { url: store.name, storageFolder: undefined } };
  } finally {
    await store.close();
  }
}

async function findOutFromIndex(location: IndexLocation): Promise<FoundServer> {
  const index = await openIndex(location);
  try {
    return { ...unknownServer, ...(await index.describe()) };
  } finally {
    await index.close();
  }
}
