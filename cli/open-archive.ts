/** Opens the archive to restore from, and the server or folder to restore to. */

import { parseMoment, parseStudyDate } from '../core/archive-life/restore/moment.ts';
import type { SidecarTarget } from '../core/archive-life/restore/restore-sidecars.ts';
import { RestoredFolder } from '../core/archive-life/restore/restored-folder.ts';
import type { Selection } from '../core/archive-life/restore/selection.ts';
import { sidecarsInFolder, sidecarsOnServer } from '../core/archive-life/restore/sidecar-targets.ts';
import type { CallOptions } from '../core/call-options.ts';
import { openExistingArchive } from '../core/config/open-archive.ts';
import { MirrorError } from '../core/errors.ts';
import { Limitations } from '../core/sidecars/limitations.ts';
import { type StudyServer, studyServerOf } from '../core/sidecars/study-server.ts';
import type { Archive, ArchiveOptions } from '../core/stores/archive/archive.ts';
import {
  type ArchiveLocation,
  openObjectStorage,
  parseArchiveLocation,
} from '../core/stores/archive/archive-location.ts';
import { parseOrthancUrl } from '../core/stores/orthanc/address.ts';
import type { OrthancStore } from '../core/stores/orthanc/orthanc-store.ts';
import type { DestinationStore } from '../core/stores/store.ts';
import { parseArchive } from './archive-argument.ts';
import { openServerOfUrl } from './open-mirror.ts';
import type { RestoreOptionValues } from './restore/options.ts';

/** What the options select. */
export function selectionOf({ patient, study, series, since, until }: RestoreOptionValues): Selection {
  return {
    patients: patient,
    studies: study,
    series,
    since: since === undefined ? undefined : parseStudyDate(since),
    until: until === undefined ? undefined : parseStudyDate(until),
  };
}

/** The moment of an option. */
export function momentOf(text: string | undefined, dayMeans?: 'start' | 'end'): Date | undefined {
  return text === undefined ? undefined : parseMoment(text, dayMeans);
}

/** Throws `nothing-matches` for a moment at which there was no archive yet. */
export function requireBegun({ name, manifest: { createdAt } }: Archive, at: Date | undefined): void {
  if (at === undefined || at >= new Date(createdAt)) return;
  throw new MirrorError('nothing-matches', `${name} begins ${createdAt}: at ${at.toISOString()} it held nothing`);
}

/** Throws `configuration` unless it is clear whether a place to restore to is a server or a folder. */
export function requirePlace(place: string): void {
  if (isServerUrl(place)) parseOrthancUrl(place, '--to');
  else folderOf(place);
}

/** Opens an archive that must exist. Throws what opening throws; nothing stays open then. */
export async function openArchiveToRead(
  place: string,
  endpoint: string | undefined,
  options: CallOptions & Pick<ArchiveOptions, 'onFutureTime' | 'onCold'> = {},
): Promise<Archive> {
  const archive = parseArchive(place, endpoint);
  if (archive === undefined) throw new MirrorError('configuration', 'name the archive by --archive');
  return openExistingArchive(archive, options);
}

/** A server that is restored to. */
export interface TargetServer {
  readonly store: OrthancStore;
  readonly studyServer: StudyServer;
  readonly limitations: Limitations;
}

/** Where to restore to. */
export interface RestoreTarget {
  readonly store: DestinationStore;
  /** The same store, if it is a server. */
  readonly server: TargetServer | undefined;
  /** The same store, if it is a folder. */
  readonly folder?: RestoredFolder;
  readonly sidecars: SidecarTarget;
}

export interface OpenTargetOptions extends CallOptions {
  readonly archive: Archive;
  readonly warn: (line: string) => void;
}

/** @returns whether a place is a server rather than a folder. */
export function isServerUrl(place: string): boolean {
  return /^https?:\/\//i.test(place);
}

/** Opens a server or a folder. Throws what opening throws; nothing stays open then. */
export async function openTarget(place: string, values: unknown, options: OpenTargetOptions): Promise<RestoreTarget> {
  return isServerUrl(place) ? openServerTarget(place, values, options) : openFolderTarget(place, options);
}

async function openServerTarget(
  url: string,
  values: unknown,
  { archive, warn, signal }: OpenTargetOptions,
): Promise<RestoreTarget> {
  const server = await openServerOfUrl('target', url, values, warn, '--to');
  try {
    const limitations = new Limitations(({ message }) => warn(message));
    const studyServer = await studyServerOf(server, { signal });
    const sidecars = sidecarsOnServer(studyServer, archive.objects, limitations);
    return { store: server, server: { store: server, studyServer, limitations }, sidecars };
  } catch (error) {
    await server.close();
    throw error;
  }
}

function folderOf(place: string): ArchiveLocation {
  const location = parseArchiveLocation(place);
  if (location.kind === 'folder') return location;
  throw new MirrorError('configuration', '--to is a server (http://… or https://…) or a folder, no bucket');
}

async function openFolderTarget(path: string, { archive, signal }: OpenTargetOptions): Promise<RestoreTarget> {
  const files = openObjectStorage(folderOf(path));
  if ((await files.head('archive.json', { signal })) !== undefined) {
    await files.close();
    throw new MirrorError('configuration', 'the folder to restore to is itself an archive; choose another one');
  }
  const folder = await RestoredFolder.open(files, { signal });
  const sidecars = sidecarsInFolder(files, archive.objects, folder);
  return { store: folder, server: undefined, folder, sidecars };
}
