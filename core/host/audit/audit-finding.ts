/** What an audit finds. Stable: `--json` prints it. */
import type { InstanceId, Md5 } from '../../identifiers.ts';
import { type IndexedFile, instanceOf } from '../../orthanc-disk/index/index-reader.ts';
import type { StoredFile } from '../../orthanc-disk/storage/storage-area.ts';

/** One difference between the index and the storage. */
export type AuditFinding =
  /** A file that no row of the index names. */
  | { readonly kind: 'orphan'; readonly stored: StoredFile }
  /** A row whose file is not there. */
  | { readonly kind: 'missing'; readonly file: IndexedFile }
  | { readonly kind: 'wrong-size'; readonly file: IndexedFile; readonly stored: StoredFile }
  | { readonly kind: 'wrong-hash'; readonly file: IndexedFile; readonly stored: StoredFile; readonly md5: string }
  /** The disk, or the rights of this user, refuse to give the bytes. */
  | { readonly kind: 'unreadable'; readonly file: IndexedFile; readonly reason: string };

/** The plain form of a finding, for JSON lines. Ids, sizes and hashes only. */
export interface FindingRecord {
  readonly kind: AuditFinding['kind'];
  readonly uuid: string;
  readonly place?: string;
  /** The resource whose file it is, and its level. */
  readonly resource?: string;
  readonly level?: string;
  readonly instance?: InstanceId;
  readonly contentType?: number;
  readonly expectedBytes?: number;
  readonly foundBytes?: number;
  readonly expectedMd5?: Md5 | undefined;
  readonly foundMd5?: string;
  readonly reason?: string;
}

export function findingRecord(finding: AuditFinding): FindingRecord {
  const { kind } = finding;
  if (kind === 'orphan') {
    const { uuid, place, sizeBytes } = finding.stored;
    return { kind, uuid, place, foundBytes: sizeBytes };
  }
  const { file } = finding;
  const instance = instanceOf(file);
  return {
    kind,
    uuid: file.uuid,
    resource: file.resource,
    level: file.level,
    ...(instance === undefined ? {} : { instance }),
    contentType: file.contentType,
    expectedBytes: file.storedBytes,
    // A place of a plugin's own choice may name a patient.
    ...('stored' in finding && file.customPlace === undefined ? { place: finding.stored.place } : {}),
    ...('stored' in finding ? { foundBytes: finding.stored.sizeBytes } : {}),
    ...(kind === 'wrong-hash' ? { expectedMd5: file.storedMd5, foundMd5: finding.md5 } : {}),
    ...(kind === 'unreadable' ? { reason: finding.reason } : {}),
  };
}

/** One line for people: kind, uuid, then what it is about. */
export function findingLine(finding: AuditFinding): string {
  const { kind } = finding;
  if (kind === 'orphan') return `orphan ${finding.stored.uuid} ${finding.stored.sizeBytes} bytes: no row in the index`;
  const { file } = finding;
  const owner = `${levelNames[file.level]} ${file.resource}`;
  switch (kind) {
    case 'missing':
      return `missing ${file.uuid} of ${owner}: the index names it, the storage lacks it`;
    case 'wrong-size':
      return `wrong-size ${file.uuid} of ${owner}: ${finding.stored.sizeBytes} bytes instead of ${file.storedBytes}`;
    case 'wrong-hash':
      return `wrong-hash ${file.uuid} of ${owner}: MD5 ${finding.md5} instead of ${file.storedMd5}`;
    case 'unreadable':
      return `unreadable ${file.uuid} of ${owner}: ${finding.reason}`;
  }
}

const levelNames = { patients: 'patient', studies: 'study', series: 'series', instances: 'instance' } as const;
