/** Opens the archive to read from, and understands what of it is asked for. */
import { parseMoment, parseStudyDate } from '../core/archive-life/restore/moment.ts';
import type { Selection } from '../core/archive-life/restore/selection.ts';
import type { CallOptions } from '../core/call-options.ts';
import { openExistingArchive } from '../core/config/open-archive.ts';
import { MirrorError } from '../core/errors.ts';
import type { Archive, ArchiveOptions } from '../core/stores/archive/archive.ts';
import { parseArchive } from './archive-argument.ts';
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
