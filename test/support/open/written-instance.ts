/** Instances that a test writes into an archive as if that had happened at a time. */
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import {
  element,
  elementHeader,
  elementUS,
  fileMetaHeader,
  sequenceMark,
  undefinedLength,
} from '../../../core/dicom/encode.ts';
import { type InstanceId, type Md5, md5Of, type OrthancId, orthancIdOf } from '../../../core/identifiers.ts';
import { sidecarHash } from '../../../core/sidecars/sidecar-state.ts';
import { openArchive } from '../../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../../core/stores/archive/folder-objects.ts';
import { documentBytes } from '../../../core/stores/archive/json-document.ts';
import { instanceKey, studyKey } from '../../../core/stores/archive/keys.ts';

export interface WrittenInstance {
  readonly id: InstanceId;
  readonly study: OrthancId;
  readonly series: OrthancId;
  readonly md5: Md5;
  readonly modality: string;
  readonly bytes: Buffer;
}

export interface InstancePlan {
  readonly patient?: string;
  readonly name?: string;
  readonly study?: string;
  readonly series?: string;
  readonly instance?: string;
  readonly modality?: string;
  /** InstanceNumber. */
  readonly number?: number;
  /** Elements that come after the others of group 0020. */
  readonly more?: readonly Buffer[];
  readonly sopClass?: string;
  readonly transferSyntax?: string;
  /** A text that makes one version differ from another. */
  readonly comment?: string;
}

/** The bytes of an instance with an image of 2 by 2. */
export function instanceOf(plan: InstancePlan = {}): WrittenInstance {
  const { patient = 'P1', name = 'DOE^JANE', study = '1.2.1', series = '1.2.1.1', instance = '1.2.1.1.1' } = plan;
  const { sopClass = '1.2.840.10008.5.1.4.1.1.7', modality = 'OT' } = plan;
  const bytes = Buffer.concat([
    fileMetaHeader(sopClass, instance, plan.transferSyntax),
    element(0x0008, 0x0005, 'CS', 'ISO_IR 192'),
    element(0x0008, 0x0016, 'UI', sopClass),
    element(0x0008, 0x0018, 'UI', instance),
    element(0x0008, 0x0020, 'DA', '20260102'),
    element(0x0008, 0x0060, 'CS', modality),
    element(0x0010, 0x0010, 'PN', name),
    element(0x0010, 0x0020, 'LO', patient),
    element(0x0020, 0x000d, 'UI', study),
    element(0x0020, 0x000e, 'UI', series),
    element(0x0020, 0x0013, 'IS', String(plan.number ?? 1)),
    element(0x0020, 0x4000, 'LT', plan.comment ?? ''),
    ...(plan.more ?? image()),
  ]);
  return {
    id: orthancIdOf(patient, study, series, instance) as InstanceId,
    study: orthancIdOf(patient, study),
    series: orthancIdOf(patient, study, series),
    md5: md5Of(bytes),
    modality,
    bytes,
  };
}

/** What describes an image of 2 by 2, and its pixels. */
export function image(frames = 1): readonly Buffer[] {
  return [
    elementUS(0x0028, 0x0002, 1),
    element(0x0028, 0x0004, 'CS', 'MONOCHROME2'),
    ...(frames === 1 ? [] : [element(0x0028, 0x0008, 'IS', String(frames))]),
    elementUS(0x0028, 0x0010, 2),
    elementUS(0x0028, 0x0011, 2),
    elementUS(0x0028, 0x0100, 8),
    elementUS(0x0028, 0x0101, 8),
    elementUS(0x0028, 0x0103, 0),
    element(0x7fe0, 0x0010, 'OW', Buffer.from(Array.from({ length: 4 * frames }, (_, index) => index))),
  ];
}

/** Compressed pixels: an offset table, and fragments. */
export function fragments(table: readonly number[], ...parts: readonly Buffer[]): Buffer {
  const offsets = Buffer.alloc(4 * table.length);
  for (const [index, offset] of table.entries()) offsets.writeUInt32LE(offset, 4 * index);
  return Buffer.concat([
    elementHeader(0x7fe0, 0x0010, 'OB', undefinedLength),
    sequenceMark(0xe000, offsets.length),
    offsets,
    ...parts.flatMap((part) => [sequenceMark(0xe000, part.length), part]),
    sequenceMark(0xe0dd, 0),
  ]);
}

/** Puts an instance into an archive. */
export async function archiveInstance(folder: string, { id, md5, bytes }: WrittenInstance, at?: string): Promise<void> {
  const now = () => (at === undefined ? new Date() : new Date(at));
  const archive = await openArchive(new FolderObjects(folder), { writer: 'run', now });
  const outcome = await archive.store({ id, md5, sizeBytes: bytes.length }, bytes);
  await archive.close();
  // An object that was there already keeps its time.
  if (at !== undefined && outcome.kind === 'stored') {
    await utimes(join(folder, instanceKey(id, md5)), new Date(at), new Date(at));
  }
}

/** Puts a sidecar into an archive that lists instances of one study. */
export async function archiveSidecar(
  folder: string,
  instances: readonly WrittenInstance[],
  { at = '2026-01-01T00:00:00Z', ...content }: Readonly<Record<string, unknown>> & { readonly at?: string } = {},
): Promise<void> {
  const [first] = instances;
  if (first === undefined) throw new Error('a sidecar lists instances');
  const series = [...Map.groupBy(instances, (one) => one.series)].map(([id, own]) => ({
    id,
    tags: { Modality: own[0]?.modality ?? 'OT', SeriesInstanceUID: '1.2.1.1' },
    instances: own.map(({ id: instance, md5, bytes }) => ({
      id: instance,
      md5,
      sizeBytes: bytes.length,
      fileUuid: null,
    })),
  }));
  const document = {
    format: 'orthanc-mirror-study',
    version: 1,
    id: first.study,
    patientId: orthancIdOf('P1'),
    patientTags: { PatientID: 'P1', PatientName: 'DOE^JANE' },
    tags: { StudyInstanceUID: '1.2.1', StudyDate: '20260102' },
    series,
    ...content,
  };
  const objects = new FolderObjects(folder);
  const bytes = documentBytes(document);
  await objects.putOnce(studyKey(first.study, new Date(at), sidecarHash(bytes)), bytes, { sizeBytes: bytes.length });
  await objects.close();
}
