/** Shared secrets by which the webhook knows its hooks. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { MirrorError } from '../../errors.ts';

/** The header that carries the secret; lower case, as Node and Lambda give it. */
export const secretHeader = 'x-orthanc-mirror-secret';

/** Shortest secret that is taken, in characters: 32 hexadecimal digits are 128 bits. */
const shortestSecret = 32;
/** The current one and, during a rotation, the one before. */
const mostSecrets = 2;

/**
 * Makes the comparison with one or two secrets. It takes the same time for every wrong secret of a length: digests of
 * equal length are compared in constant time, and all of them always.
 * Throws `configuration` when there is no secret, more than two, or a short one.
 */
export function secretComparison(secrets: readonly string[]): (given: string | undefined) => boolean {
  if (secrets.length === 0 || secrets.length > mostSecrets) {
    throw new MirrorError('configuration', 'The webhook takes one secret, or two during a rotation.');
  }
  if (secrets.some((secret) => secret.length < shortestSecret)) {
    throw new MirrorError('configuration', `A secret of the webhook is shorter than ${shortestSecret} characters.`);
  }
  const digests = secrets.map(digestOf);
  return (given) => {
    const digest = digestOf(given ?? '');
    return digests.map((accepted) => timingSafeEqual(accepted, digest)).includes(true);
  };
}

function digestOf(secret: string): Buffer {
  return createHash('sha256').update(secret, 'utf8').digest();
}
