/** How far a mirror has looked: kept beside the archive by a scheduler, in memory by a run. */
import * as z from 'zod';
import { type InstanceId, isInstanceId, isOrthancId, type OrthancId } from '../identifiers.ts';
import { listOf } from '../json.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { StateDocument } from '../stores/archive/state.ts';
import type { Cursor } from './follow/cursor.ts';
import { restoreCursor, storeCursor, storedCursorSchema } from './follow/stored-cursor.ts';

const comparisonSchema = z.strictObject({
  /** Every id up to this one was compared, and what differed was taken over: is on the queue, or copied. */
  after: z.custom<InstanceId>(isInstanceId).nullable(),
  /** The ids of all stores were compared. */
  listed: z.boolean(),
  /** Then the sidecars are: those of every study up to this one were. */
  sidecarsAfter: z.custom<OrthancId>(isOrthancId).nullable(),
  startedAt: z.iso.datetime(),
  reason: z.string(),
  /**
   * Names of the destinations that missed a part of it. Nothing can be said about deletions then, and another
   * comparison follows as soon as they can be used.
   */
  leftOut: listOf(z.string()),
  /** Those of them that answer and cannot be listed: for them another one is of no use so soon. */
  unlisted: listOf(z.string()),
});
/** A comparison of the inventories that is under way. */
export type ComparisonProgress = z.infer<typeof comparisonSchema>;

/** `state/progress.json` of a scheduled mirror. */
export const storedProgressSchema = z.strictObject({
  version: z.literal(1),
  /** What tells the source's database from another one; `null` where the server does not tell (before 1.11.1). */
  sourceIdentity: z.string().nullable(),
  cursor: storedCursorSchema,
  comparison: comparisonSchema.nullable(),
  /** When the last comparison was completed, sidecars and removals included; and when it began: what was there then was compared. */
  comparedAt: z.iso.datetime().nullable(),
  comparedFrom: z.iso.datetime().optional(),
  /** Names of the destinations that it could not list. */
  unlisted: listOf(z.string()),
});
export type Progress = Omit<z.infer<typeof storedProgressSchema>, 'cursor'> & { readonly cursor: Cursor };

/** Where a scheduler keeps it. */
export type ProgressDocument = Pick<StateDocument<Progress>, 'read' | 'write'>;

/** @param objects where the state of the mirror lies */
export function progressBeside(objects: ObjectStorage): ProgressDocument {
  const document = new StateDocument(objects, 'progress', storedProgressSchema);
  return {
    async read(options) {
      const found = await document.read(options);
      return found && { ...found, value: { ...found.value, cursor: restoreCursor(found.value.cursor) } };
    },
    write: (progress, version, options) =>
      document.write({ ...progress, cursor: storeCursor(progress.cursor) }, version, options),
  };
}

/**
 * The progress when destinations missed something: a comparison begins, or they join the one that is under way, and another
 * one follows.
 * @param reason absent: they can be used again
 */
export function withMissed(
  progress: Progress,
  names: readonly string[],
  now: Date,
  reason = `${names.join(', ')} can be used again`,
): Progress {
  if (names.length === 0) return progress;
  if (progress.comparison === null) return withComparison(progress, reason, now);
  const leftOut = [...new Set([...progress.comparison.leftOut, ...names])];
  return { ...progress, comparison: { ...progress.comparison, leftOut } };
}

/** The progress when a comparison begins. */
export function withComparison(progress: Progress, reason: string, now: Date): Progress {
  const begin = { after: null, listed: false, sidecarsAfter: null, leftOut: [], unlisted: [] };
  return { ...progress, comparison: { ...begin, startedAt: now.toISOString(), reason } };
}
