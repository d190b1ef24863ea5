/** Writes the status of a mirror where people and programs find it: `reports/status.json` and `reports/status.html`. */
import { documentBytes } from '../../stores/archive/json-document.ts';
import { reportKey } from '../../stores/archive/keys.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import type { MirrorStatus } from './status-document.ts';
import { statusPage } from './status-page.ts';

/** Replaces both; if somebody else does so at the same time, one of the two stays. Throws what the storage throws. */
export async function writeStatus(objects: ObjectStorage, status: MirrorStatus): Promise<void> {
  await replace(objects, reportKey('status.json'), documentBytes(status));
  await replace(objects, reportKey('status.html'), Buffer.from(statusPage(status)));
}

async function replace(objects: ObjectStorage, key: string, bytes: Uint8Array): Promise<void> {
  const found = await objects.head(key);
  await objects.replaceIf(key, bytes, found?.etag ?? null);
}
