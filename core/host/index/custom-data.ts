/** What storage plugins write beside a file's row in `customData`. */
import { z } from 'zod';

/** Of the advanced-storage plugin (CustomData.cpp): `p` is the path of the file. */
const advancedStorageData = z.object({ p: z.string().min(1) });

/**
 * Where a plugin put a file. `undefined` if the data say nothing of a path, or are of a plugin that this program does
 * not know.
 */
export function customPathOf(customData: Uint8Array | undefined): string | undefined {
  if (customData === undefined) return undefined;
  try {
    const parsed = advancedStorageData.safeParse(JSON.parse(Buffer.from(customData).toString('utf8')));
    return parsed.success ? parsed.data.p : undefined;
  } catch {
    return undefined;
  }
}
