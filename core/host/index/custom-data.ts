/** What storage plugins write beside a file's row in `customData`. */
import { z } from 'zod';

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

/** `undefined` if the data say nothing of a place, or are of a plugin that this program does not know. */
export function customPlaceOf(customData: Uint8Array | undefined): CustomPlace | undefined {
  if (customData === undefined) return undefined;
  try {
    const { p: path, s: storageId } = advancedStorageData.parse(JSON.parse(Buffer.from(customData).toString('utf8')));
    return path === undefined && storageId === undefined ? undefined : { path, storageId };
  } catch {
    return undefined;
  }
}
