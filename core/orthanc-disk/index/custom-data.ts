/** What storage plugins write beside a file's row in `customData`. */
import * as z from 'zod';
import { jsonBoundsOf, readJson } from '../../json.ts';

/** Where a plugin put a file. */
export interface CustomPlace {
  /** Relative to a folder of the storage, or absolute. May hold what identifies a patient: never print it. */
  readonly path: string | undefined;
  /** Which of the plugin's folders it is relative to; `undefined`: Orthanc's own. */
  readonly storageId: string | undefined;
}

/**
 * Of the advanced-storage plugin (CustomData.cpp): `p` is the path of the file, `s` the id of one of `Storages` in the
 * configuration. Without a path the file lies where Orthanc itself would put it.
 */
const advancedStorageData = z.object({ p: z.string().min(1).optional(), s: z.string().min(1).optional() });

/** A path and two short texts. */
const longestCustomData = 8192;

/** `undefined` if the data say nothing of a place, or are of a plugin that this program does not know. */
export function customPlaceOf(customData: Uint8Array | undefined): CustomPlace | undefined {
  if (customData === undefined) return undefined;
  const text = Buffer.from(customData).toString('utf8');
  const read = readJson(text, advancedStorageData, jsonBoundsOf(longestCustomData));
  if (!read.ok) return undefined;
  const { p: path, s: storageId } = read.value;
  return path === undefined && storageId === undefined ? undefined : { path, storageId };
}
