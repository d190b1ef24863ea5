/** Where the archive of a mirror lies in the bucket of the stack; used by the functions and for their permissions. */
import type { MirrorConfiguration } from './schema.ts';

/** @returns what the keys of the archive and state of a mirror begin with: empty, or ending with a slash. */
export function archivePrefixOf(mirrorName: string, { archive }: MirrorConfiguration): string {
  return (archive !== undefined && 'prefix' in archive ? archive.prefix : undefined) ?? `${mirrorName}/`;
}
