/** Opens what the command line names, and warns of what the user should change. */
import {
  type OpenMirror,
  type OpenMirrorOptions,
  openMirror,
  openServer,
  type ServerToOpen,
} from '../core/config/open.ts';
import type { OrthancStore } from '../core/stores/orthanc/orthanc-store.ts';
import type { NamedMirror } from './named-mirror.ts';
import { type NamedServer, type ServerRole, serverOfUrl } from './server-options.ts';

export interface OpenNamedMirrorOptions
  extends Pick<OpenMirrorOptions, 'absent' | 'outOfReach' | 'onFutureTime' | 'signal'> {
  readonly warn: (line: string) => void;
}

/** Opens the stores of a mirror. A source that does not answer ends everything before an archive is made for it. */
export async function openNamedMirror(
  mirror: NamedMirror,
  { warn, ...options }: OpenNamedMirrorOptions,
): Promise<OpenMirror> {
  for (const server of [mirror.source, ...mirror.targets]) warnOf(server, warn);
  return openMirror(mirror, { ...options, writer: 'run', askSource: true });
}

/**
 * Opens a server that is given by its URL, without a request yet.
 * @param values all option values of the command
 */
export async function openServerOfUrl(
  role: ServerRole,
  url: string,
  values: unknown,
  warn: (line: string) => void,
): Promise<OrthancStore> {
  const server = serverOfUrl(role, url, values);
  warnOf(server, warn);
  return openServer({ ...server, name: undefined } satisfies ServerToOpen);
}

function warnOf({ warnings }: NamedServer, warn: (line: string) => void): void {
  for (const warning of warnings) warn(warning);
}
