/** What is done when the target holds other bytes than the source under the same id. The archive keeps both. */

/**
 * - `report`: both stay as they are; the instance is listed and counts as a conflict (exit 3).
 * - `keep-target`: both stay as they are, and that is how it shall be: the instance is counted, but is no failure.
 * - `replace`: the target's version is saved in the archive and replaced by the source's; see `replaceInstance`.
 */
export const conflictPolicies = ['report', 'keep-target', 'replace'] as const;
export type ConflictPolicy = (typeof conflictPolicies)[number];
export const defaultConflictPolicy: ConflictPolicy = 'report';
