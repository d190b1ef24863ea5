/** Refusing keys that would leave their storage. */
import { MirrorError } from '../../errors.ts';

/** Longest key in bytes that S3 accepts. */
const longestKeyBytes = 1024;

/**
 * Throws `configuration` unless a key consists of segments that are file names on any system and does not begin with
 * the reserved segment.
 */
export function checkKey(key: string, reserved?: string): void {
  const segments = key.split('/');
  const isBad = (segment: string) => segment === '' || segment === '.' || segment === '..' || /[\0\\]/.test(segment);
  if (segments.some(isBad) || segments[0] === reserved || Buffer.byteLength(key) > longestKeyBytes) {
    throw new MirrorError('configuration', 'an object was asked for under a key that no archive can hold');
  }
}
