/**
 * The newest studies of an archive, kept apart so that the first page of the list is there before all of it was read:
 *
 *     state/open/newest.json
 */
import * as z from 'zod';
import { type StudyEntry, studyEntrySchema } from '../../archive-life/catalogue/study-entry.ts';
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError } from '../../errors.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { StateDocument } from '../../stores/archive/state.ts';

const keptStudies = 200;

const newestSchema = z.strictObject({ version: z.literal(1), studies: z.array(studyEntrySchema) });

/** The studies that were the newest when they were last kept; none if nothing is kept, or it is damaged. */
export async function newestStudies(objects: ObjectStorage, options: CallOptions = {}): Promise<readonly StudyEntry[]> {
  try {
    return (await documentIn(objects).read(options))?.value.studies ?? [];
  } catch (error) {
    if (isMirrorError(error, 'archive-format')) return [];
    throw error;
  }
}

/** Keeps the first of these, if they are others than before. Whoever may only read the archive goes without. */
export async function keepNewestStudies(
  objects: ObjectStorage,
  sorted: readonly StudyEntry[],
  options: CallOptions = {},
): Promise<void> {
  const studies = sorted.slice(0, keptStudies);
  const document = documentIn(objects);
  try {
    const kept = await document.read(options);
    const keysOf = (entries: readonly StudyEntry[]) => entries.map(({ study, key }) => `${study} ${key}`).join('\n');
    if (kept !== undefined && keysOf(kept.value.studies) === keysOf(studies)) return;
    await document.write({ version: 1, studies }, kept?.version ?? null, options);
  } catch (error) {
    const harmless = ['archive-format', 'changed-meanwhile', 'forbidden', 'unauthorized', 'read-only', 'full'] as const;
    if (!isMirrorError(error, ...harmless)) throw error;
  }
}

function documentIn(objects: ObjectStorage): StateDocument<z.infer<typeof newestSchema>> {
  return new StateDocument(objects, 'open/newest', newestSchema);
}
