/** What is attached to a resource: labels, metadata, attachments, as its sidecar and the archive tell. */
import { type Md5, md5Of, type ResourceLevel } from '../../identifiers.ts';
import { bytesOf, type MetadataValue } from '../../sidecars/metadata-value.ts';
import { noContent, type ResourceContent } from '../../sidecars/sidecar.ts';
import type { ArchivedFile } from '../reader/archived-file.ts';
import type { StudyInstance } from '../reader/study-content.ts';
import type { Resource } from './resource.ts';

/** An attachment as Orthanc lists it. */
export interface ListedAttachment {
  readonly Uuid: string;
  readonly ContentType: number;
  readonly UncompressedSize: number;
  readonly CompressedSize: number;
  readonly UncompressedMD5: Md5;
  readonly CompressedMD5: Md5;
}

/** Orthanc's number of the DICOM file among the attachments of an instance. */
export const dicomAttachment = 1;

/** What the sidecar says of a resource; nothing where there is no sidecar. */
export function contentOf(resource: Resource): ResourceContent {
  switch (resource.level) {
    case 'patients':
      return resource.sidecar ?? noContent;
    case 'studies':
      return resource.study.sidecar?.document ?? noContent;
    case 'series':
      return resource.study.sidecar?.document.series.find(({ id }) => id === resource.id) ?? noContent;
    case 'instances':
      return resource.instance.record ?? noContent;
  }
}

/** Metadata by name, or by number where it has no name. */
export function metadataOf(resource: Resource): Readonly<Record<string, MetadataValue>> {
  const { metadata, systemMetadata, namedMetadata } = contentOf(resource);
  return { ...systemMetadata, ...namedMetadata, ...metadata };
}

/** The same as texts, in which Orthanc too writes U+FFFD for what is no UTF-8: the single value is told byte by byte. */
export function metadataTextsOf(resource: Resource): Readonly<Record<string, string>> {
  const texts = Object.entries(metadataOf(resource)).map(([name, value]) => [
    name,
    Buffer.from(bytesOf(value)).toString('utf8'),
  ]);
  return Object.fromEntries(texts);
}

/** Attachments by number. */
export function attachmentsOf(resource: Resource): readonly ListedAttachment[] {
  const user = Object.entries(contentOf(resource).attachments).map(([number, { md5, sizeBytes }]) =>
    listed(Number(number), md5, sizeBytes, uuidOf(md5, resource.level)),
  );
  if (resource.level !== 'instances') return user;
  const { md5, sizeBytes } = resource.instance;
  return [listed(dicomAttachment, md5, sizeBytes, fileUuidOf(resource.instance)), ...user];
}

/** The file of an instance, as Orthanc lists it among the attachments. */
export function listedFile({ md5, sizeBytes }: ArchivedFile): ListedAttachment {
  return listed(dicomAttachment, md5, sizeBytes, uuidOf(md5, 'instances'));
}

function listed(number: number, md5: Md5, sizeBytes: number, uuid: string): ListedAttachment {
  return {
    Uuid: uuid,
    ContentType: number,
    UncompressedSize: sizeBytes,
    CompressedSize: sizeBytes,
    UncompressedMD5: md5,
    CompressedMD5: md5,
  };
}

/** The name that the source gave the file, while it holds the same bytes; any other is made up of the hash. */
export function fileUuidOf({ record, md5 }: StudyInstance): string {
  return record?.fileUuid != null && record.md5 === md5 ? record.fileUuid : uuidOf(md5, 'instances');
}

function uuidOf(md5: Md5, level: ResourceLevel): string {
  const digits = md5Of(Buffer.from(`${level}/${md5}`));
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
