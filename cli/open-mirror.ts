/** Opens what the command line names, and warns of what the user should change. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import * as z from 'zod';
import type { CallOptions } from '../core/call-options.ts';
import {
  type OpenMirror,
  type OpenMirrorOptions,
  openMirror,
  openServer,
  type ServerToOpen,
} from '../core/config/open.ts';
import { storageOf } from '../core/config/open-archive.ts';
import type { ArchiveConfiguration } from '../core/config/schema.ts';
import { MirrorError } from '../core/errors.ts';
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
 * @param option how the command line calls it; absent: by its role
 */
export async function openServerOfUrl(
  role: ServerRole,
  url: string,
  values: unknown,
  warn: (line: string) => void,
  option?: string,
): Promise<OrthancStore> {
  const server = serverOfUrl(role, url, values, option);
  warnOf(server, warn);
  return openServer({ ...server, name: undefined } satisfies ServerToOpen);
}

function warnOf({ warnings }: NamedServer, warn: (line: string) => void): void {
  for (const warning of warnings) warn(warning);
}

/**
 * Proves that an archive could be written to, and writes nothing. Throws what the first write would throw.
 */
export async function proveWritable(archive: ArchiveConfiguration, options: CallOptions): Promise<void> {
  if ('folder' in archive) return proveWritableFolder(archive.folder);
  const objects = await storageOf(archive);
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
