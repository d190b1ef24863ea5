/** Random numbers that a seed gives again. */
import { createHash } from 'node:crypto';

/** @returns numbers of at least 0 and less than 1, always the same for a seed. */
export function seededRandom(seed: string): () => number {
  let drawn = 0;
  return () => {
    drawn += 1;
    return createHash('sha256').update(`${seed}/${drawn}`).digest().readUInt32BE() / 2 ** 32;
  };
}
