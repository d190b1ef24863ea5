/** Which studies must be synchronized, from two lists of fingerprints of one scope. */
import type { OrthancId } from '../identifiers.ts';
import type { StudyFingerprint } from './fingerprint.ts';

/**
 * Compares two lists that are sorted by id, in constant memory. @returns the studies of `source` that `other` has with
 * another fingerprint or not at all, in ascending order. Studies of `other` alone are passed over.
 */
export async function* differingStudies(
  source: AsyncIterable<StudyFingerprint>,
  other: AsyncIterable<StudyFingerprint>,
): AsyncGenerator<OrthancId> {
  const others = other[Symbol.asyncIterator]();
  try {
    let there = await others.next();
    for await (const { studyId, fingerprint } of source) {
      while (there.done !== true && there.value.studyId < studyId) there = await others.next();
      const equal = there.done !== true && there.value.studyId === studyId && there.value.fingerprint === fingerprint;
      if (!equal) yield studyId;
    }
  } finally {
    await others.return?.();
  }
}
