/** What `--archive` and `--endpoint` say, in the form of the configuration. */
import type { ArchiveConfiguration } from '../core/config/schema.ts';
import { MirrorError } from '../core/errors.ts';
import { parseArchiveLocation } from '../core/stores/archive/archive-location.ts';

/** Throws `configuration` if the text names no place, or the endpoint does not belong to it. */
export function parseArchive(text: string | undefined, endpoint: string | undefined): ArchiveConfiguration | undefined {
  if (text === undefined) {
    if (endpoint === undefined) return undefined;
    throw new MirrorError('configuration', '--endpoint needs --archive s3://bucket/prefix');
  }
  const location = parseArchiveLocation(text);
  if (location.kind === 'folder') {
    if (endpoint === undefined) return { folder: location.path };
    throw new MirrorError('configuration', '--endpoint was given, but the archive is a folder, not s3://…');
  }
  const { bucket, prefix } = location;
  return { bucket, prefix, ...(endpoint !== undefined && { endpoint }) };
}
