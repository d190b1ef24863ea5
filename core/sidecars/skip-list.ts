/** Which user numbers are caches of plugins and viewers: they can be made anew and are not copied. */

/** Numbers, and ranges of numbers with both ends included. */
export type NumberSet = readonly (number | readonly [first: number, last: number])[];

export interface SkipList {
  readonly attachments: NumberSet;
  readonly metadata: NumberSet;
}

/**
 * Attachments: summary and header of the DICOM file (2, 3), DICOMweb cache (4301), caches of the Osimis viewer (9997,
 * 9998, 10000–13999; not 9999, which holds the annotations of users). Metadata: cache of OHIF (4202).
 * Source: orthanc-book, faq/features.rst, "Registry of attachments and metadata".
 */
export const knownCaches: SkipList = {
  attachments: [2, 3, 4301, 9997, 9998, [10_000, 13_999]],
  metadata: [4202],
};

/** @returns whether `number` is in the set. */
export function includesNumber(set: NumberSet, number: number): boolean {
  return set.some((entry) => (typeof entry === 'number' ? entry === number : number >= entry[0] && number <= entry[1]));
}
