/** Where an archive lies, as users write it. */
import { resolve } from 'node:path';
import { type Advice, MirrorError } from '../../errors.ts';
import { printable, shortenedAmid } from '../../printable.ts';
import { FolderObjects } from './folder-objects.ts';
import { checkKey } from './key-check.ts';
import type { ObjectStorage } from './object-storage.ts';
import type { S3ObjectsOptions } from './s3-objects.ts';
import type { S3Connection } from './s3-requests.ts';

/** A place that was understood, but not looked at. */
export type ArchiveLocation =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 's3'; readonly bucket: string; readonly prefix: string };

/**
 * Parses `s3://bucket`, `s3://bucket/prefix`, or the path of a folder. Throws `configuration` with what is wrong. An
 * address never holds credentials.
 */
export function parseArchiveLocation(text: string): ArchiveLocation {
  if (text.trim() === '') {
    throw new MirrorError('configuration', 'the archive is empty text; give a folder or s3://bucket/prefix');
  }
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(text)?.[1]?.toLowerCase();
  if (scheme === undefined) {
    refuseAmbiguous(text);
    return { kind: 'folder', path: resolve(text) };
  }
  if (scheme !== 's3') {
    throw new MirrorError(
      'configuration',
      `an archive is a folder or s3://bucket/prefix, not ${scheme}://…; an S3 server other than AWS is named by its endpoint`,
      { advice: 'give-endpoint' },
    );
  }
  const [bucket = '', ...segments] = text.slice('s3://'.length).split('/');
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw new MirrorError(
      'configuration',
      'the bucket of the archive must have 3 to 63 lower-case letters, digits, dots and hyphens: s3://bucket/prefix',
    );
  }
  const path = segments.join('/').replace(/\/$/, '');
  if (path !== '') {
    checkKey(path);
  }
  return { kind: 's3', bucket, prefix: path === '' ? '' : `${path}/` };
}

/** Of a place that is refused. */
const longestShown = 100;

/**
 * A folder may be called anything; but what looks like a server or like the address of another program was most probably
 * not meant as one, and data would lie where nobody looks for it. Throws `configuration` with the two things it can mean.
 */
function refuseAmbiguous(text: string): void {
  // What comes before an @ may hold a password.
  const shown = printable(shortenedAmid(text.replace(/^[^/]*@/, '…@'), longestShown));
  const refuse = (meant: string, advice?: Advice) => {
    throw new MirrorError(
      'configuration',
      `the place "${shown}" is ambiguous: ${meant}, a folder of that name ./${shown}`,
      { advice },
    );
  };
  if (text.startsWith('~/')) refuse(`a folder in your home is written $HOME${shown.slice(1)}`);
  const [, first = '', rest = ''] = /^(\[[0-9a-f:.]+\]|[^/:[]+):(.*)$/i.exec(text) ?? [];
  if (first === '' || first.startsWith('.')) return;
  if (/^\d{1,5}(?:\/|$)/.test(rest)) refuse(`a server is written http://${shown}`);
  if (/^s3$/i.test(first)) refuse(`a bucket is written s3://${shown.slice(first.length + 1).replace(/^\/+/, '')}`);
  refuse(
    'an archive in S3 is written s3://bucket/prefix, with the endpoint of a server other than AWS',
    'give-endpoint',
  );
}

/**
 * Opens the storage at a place, without a request yet. `name` is how messages call it; default: the place. The SDK of S3,
 * a fifth of a start, is loaded for a bucket only.
 */
export async function openObjectStorage(
  location: ArchiveLocation,
  options: S3Connection & Pick<S3ObjectsOptions, 'name' | 'objectLock'> = {},
): Promise<ObjectStorage> {
  const { name, ...connection } = options;
  if (location.kind === 'folder') {
    if (connection.endpoint !== undefined) {
      throw new MirrorError('configuration', 'an endpoint was given, but the archive is a folder, not s3://…');
    }
    return new FolderObjects(location.path, { name });
  }
  const { S3Objects } = await import('./s3-objects.ts');
  return new S3Objects({ ...connection, bucket: location.bucket, prefix: location.prefix, name });
}
