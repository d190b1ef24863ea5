/** Where the archive of a mirror of a stack lies; used by the functions and for their permissions. */
import { MirrorError } from '../errors.ts';
import type { ArchiveConfiguration, MirrorConfiguration } from './schema.ts';

/** What a stack says of the archives of its mirrors. */
export interface StackStorage {
  /** The bucket of archives that name none. */
  readonly bucket?: string | undefined;
  /** How that bucket is locked; see `S3ObjectsOptions.objectLock`. */
  readonly objectLock?: 'governance' | 'compliance' | undefined;
}

/** Where the archive of a mirror of a stack lies: one that names no bucket lies in that of the stack. */
export function archiveInStack(name: string, archive: ArchiveConfiguration, stack: StackStorage): ArchiveConfiguration {
  if ('folder' in archive) return archive;
  const objectLock = archive.objectLock ?? stack.objectLock;
  if (archive.bucket !== undefined) return { ...archive, objectLock };
  if (stack.bucket === undefined) {
    const field = `mirrors.${name}.archive.bucket`;
    throw new MirrorError('configuration', `${field}: is missing; name the bucket of the archive.`);
  }
  return { ...archive, objectLock, bucket: stack.bucket, prefix: archivePrefixOf(name, { archive }) };
}

/** @returns what the keys of the archive and state of a mirror of a stack begin with: empty, or ending with a slash. */
export function archivePrefixOf(mirrorName: string, { archive }: Pick<MirrorConfiguration, 'archive'>): string {
  return (archive !== undefined && 'prefix' in archive ? archive.prefix : undefined) ?? `${mirrorName}/`;
}
