import type { MirrorConfiguration } from './schema.ts';

/** What destinations are called in metrics and reports: the targets in the order of the configuration, then `archive`. */
export function destinationNames({ targets, archive }: MirrorConfiguration): string[] {
  return [...Object.keys(targets), ...(archive === undefined ? [] : ['archive'])];
}

/** Those of them that are read back. */
export function verifiedNames(mirror: MirrorConfiguration): string[] {
  const { verify } = mirror;
  return destinationNames(mirror).filter((name) => (name === 'archive' ? verify.archive : verify.targets));
}
