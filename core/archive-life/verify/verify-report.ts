/** What a verification found wrong, as a document in the archive: ids, hashes and codes only. */
import { documentBytes } from '../../stores/archive/json-document.ts';
import { keyTime, reportKey } from '../../stores/archive/keys.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { ShareProblem } from './verify-share.ts';

/** A problem and the store in which it was found; `destination` as in metrics. */
export interface FoundProblem {
  readonly destination: string;
  readonly verified: ShareProblem;
}

/** Writes `reports/verify/<time>.json`. @returns its key */
export async function writeVerifyReport(
  objects: ObjectStorage,
  problems: readonly FoundProblem[],
  at: Date,
): Promise<string> {
  const key = reportKey(`verify/${keyTime(at)}.json`);
  const bytes = documentBytes({ version: 1, at: at.toISOString(), problems: problems.map(asLine) });
  await objects.putOnce(key, bytes, { sizeBytes: bytes.byteLength, contentType: 'application/json' });
  return key;
}

function asLine({ destination, verified }: FoundProblem): Record<string, string | undefined> {
  const { id, kind } = verified;
  const code = 'error' in verified ? verified.error?.code : undefined;
  if ('what' in verified) return { destination, id, kind, what: verified.what, key: verified.key, code };
  const actualMd5 = verified.kind === 'damaged' ? verified.actualMd5 : undefined;
  return { destination, id, kind, md5: verified.md5, actualMd5, code };
}
