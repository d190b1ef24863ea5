/**
 * Decides what a file is to an import, from its name, the index of its storage and its content. Pure: what needs
 * reading was read before.
 */
import type { DicomHeader } from '../dicom/dicom-header.ts';
import type { Advice, ErrorCode, MirrorError } from '../errors.ts';
import { type InstanceId, isInstanceId, type Md5 } from '../identifiers.ts';
import { contentTypes, type IndexedFile } from '../orthanc-disk/index/index-reader.ts';
import type { StorageRole } from '../orthanc-disk/storage/storage-names.ts';
import type { FoundAt } from './found.ts';
import type { ReportLine } from './report.ts';

/** What a file is before it is opened. */
export interface Expectation {
  /** What it is if it need not be opened: no instance whatever it holds. */
  readonly notDicom?: string;
  /** Whether it should be a DICOM instance, so that anything else is a damage. */
  readonly isInstance: boolean;
  /** Whether it lies in a storage and could be any kind of attachment. */
  readonly isUnknownAttachment: boolean;
}

const dicomName = /\.(?:dcm|dicom|dic|ima)(?:\.gz)?$/i;
const notDicomContents: Readonly<Partial<Record<StorageRole['content'], string>>> = {
  header: 'dicom-until-pixel-data',
  summary: 'json-summary',
  attachment: 'user attachment',
};

/** @param indexed what the index of the storage knows of the file, if there is an index and it knows it */
export function expect(at: FoundAt, storage: StorageRole | undefined, indexed: IndexedFile | undefined): Expectation {
  if (indexed !== undefined) {
    const notDicom = whatOf(indexed.contentType);
    return { isInstance: notDicom === undefined, isUnknownAttachment: false, ...(notDicom && { notDicom }) };
  }
  const notDicom = storage && notDicomContents[storage.content];
  if (notDicom !== undefined) {
    return { notDicom, isInstance: false, isUnknownAttachment: false };
  }
  const isUnknownAttachment = storage?.content === 'unknown';
  return { isInstance: !isUnknownAttachment && dicomName.test(at.path.replace(/\.enc$/, '')), isUnknownAttachment };
}

function whatOf(contentType: number): string | undefined {
  switch (contentType) {
    case contentTypes.dicom:
      return undefined;
    case contentTypes.dicomAsJson:
      return 'json-summary';
    case contentTypes.dicomUntilPixelData:
      return 'dicom-until-pixel-data';
    default:
      return contentType >= contentTypes.firstUser ? 'user attachment' : 'system attachment';
  }
}

/** The line for a file that is not DICOM: harmless, or where DICOM was to be expected, damage. */
export function judgeOther(at: FoundAt, expectation: Expectation, what: string, mayBeDamage: boolean): ReportLine {
  if (expectation.isInstance) {
    return refused(at, `it should be DICOM, but is: ${what}; get it again from a backup or the modality`);
  }
  if (expectation.isUnknownAttachment && mayBeDamage) {
    const reason = `${what}: a damaged instance or a user attachment; with the index beside the storage it can be told`;
    return refused(at, reason);
  }
  return { ...at, outcome: 'not-dicom', what };
}

/** The line for a file that could not be read. */
export function judgeError(at: FoundAt, error: MirrorError): ReportLine {
  const outcome = error.disposition === 'reject' || error.code === 'source-corrupt' ? 'refused' : 'failed';
  return { ...at, outcome, reason: error.message, code: error.code, ...adviceIn(error) };
}

/** @returns a line that tells that the file is refused. */
export function refused(
  at: FoundAt,
  reason: string,
  { code = 'source-corrupt', advice }: { readonly code?: ErrorCode; readonly advice?: Advice } = {},
): ReportLine {
  return { ...at, outcome: 'refused', reason, code, ...adviceIn({ advice }) };
}

function adviceIn({ advice }: { readonly advice?: Advice | undefined }): Pick<ReportLine, 'advice'> {
  return advice === undefined ? {} : { advice };
}

/** An instance is imported, refused, or put off until all files were seen. */
export type InstanceVerdict =
  | { readonly kind: 'import'; readonly id: InstanceId; readonly note?: string }
  /** It may be the beginning of another file: an attachment `dicom-until-pixel-data`. */
  | { readonly kind: 'put-off' }
  | { readonly kind: 'refused'; readonly reason: string };

/** Compares a readable instance with what the index says of its file. */
export function judgeInstance(
  header: DicomHeader,
  md5: Md5,
  storage: StorageRole | undefined,
  indexed: IndexedFile | undefined,
  hasIndex: boolean,
): InstanceVerdict {
  if (indexed !== undefined) {
    return judgeIndexed(header, md5, indexed);
  }
  if (storage?.content === 'unknown' && header.describesPixels && !header.hasPixelData) {
    return { kind: 'put-off' };
  }
  return storage !== undefined && hasIndex
    ? { kind: 'import', id: header.instanceId, note: 'the index does not know this file; it may have been deleted' }
    : { kind: 'import', id: header.instanceId };
}

function judgeIndexed(header: DicomHeader, md5: Md5, indexed: IndexedFile): InstanceVerdict {
  const { resource, contentMd5 } = indexed;
  if (contentMd5 !== undefined && contentMd5 !== md5) {
    return {
      kind: 'refused',
      reason: `the index has MD5 ${contentMd5}, the file has ${md5}: it is damaged; get it from a backup or the modality`,
    };
  }
  const isSame = resource === header.instanceId || header.otherInstanceIds.some((each) => each === resource);
  return isInstanceId(resource) && (isSame || contentMd5 !== undefined)
    ? { kind: 'import', id: resource }
    : { kind: 'refused', reason: `the index has this file for instance ${resource}, it holds another one` };
}
