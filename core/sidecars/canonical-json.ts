/** One JSON text for one content, whatever the order in which a server listed its parts. */
import { createHash } from 'node:crypto';

/**
 * @returns `value` with the keys of every object in ascending order, and without members that are empty arrays, empty
 * objects or `undefined`: the schemas of the sidecars put these back.
 */
export function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value)
    .filter(([, member]) => !isEmpty(member))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => [name, canonical(member)] as const);
  return Object.fromEntries(members);
}

/** @returns the SHA-256 of the canonical JSON text in hexadecimal digits. */
export function contentHash(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(canonical(value)))
    .digest('hex');
}

function isEmpty(member: unknown): boolean {
  if (member === undefined) return true;
  if (Array.isArray(member)) return member.length === 0;
  return typeof member === 'object' && member !== null && Object.keys(member).length === 0;
}
