/**
 * The sidecar and the patient sidecar, version 1: everything about a study that is not in its DICOM bytes.
 * The format is described in `docs/sidecars.md`. Documents hold patient data (tags, labels, values) and live in
 * the archive only: nothing of their content but ids and hashes may get into a log, a message or a key.
 */
import * as z from 'zod';
import {
  type InstanceId,
  isInstanceId,
  isMd5,
  isOrthancId,
  type Md5,
  type OrthancId,
  type ResourceLevel,
} from '../identifiers.ts';
import { listOf, recordOf } from '../json.ts';
import { metadataValueSchema } from './metadata-value.ts';

const orthancId = z.custom<OrthancId>(isOrthancId);
const instanceId = z.custom<InstanceId>(isInstanceId);
const md5 = z.custom<Md5>(isMd5);

/** Orthanc's numbers of metadata and of attachments that belong to users: only these can be written through REST. */
const firstUserNumber = 1024;
const lastUserNumber = 65535;

/** Decimal digits of a user number, as the key of a record. */
const userNumber = z.string().refine((text) => isUserNumber(Number(text)) && String(Number(text)) === text);
const sizeBytes = z.int().nonnegative();

/** A user attachment; its bytes lie under `attachments/<level>/<id>/<number>/<md5>` of the archive. */
const attachmentSchema = z.strictObject({ md5, sizeBytes });
export type AttachmentContent = z.infer<typeof attachmentSchema>;

/** What a resource of any level may carry. Absent parts are empty. */
const contentShape = {
  /** In ascending order. */
  labels: listOf(z.string()).default([]),
  /** Values by user number. */
  metadata: recordOf(userNumber, metadataValueSchema).default({}),
  /** By user number. */
  attachments: recordOf(userNumber, attachmentSchema).default({}),
  /** Orthanc's own metadata by name, which REST cannot write: for people and for scripts, never applied. */
  systemMetadata: recordOf(z.string(), metadataValueSchema).default({}),
  /** User metadata whose number an old server does not tell, by name: never applied. */
  namedMetadata: recordOf(z.string(), metadataValueSchema).default({}),
};

const contentSchema = z.strictObject(contentShape);
export type ResourceContent = z.infer<typeof contentSchema>;

/** Some main DICOM tags by name, for finding a study again. */
const tags = recordOf(z.string(), z.string()).default({});

const instanceSchema = z.strictObject({
  id: instanceId,
  /** `null` where the server keeps no hashes. */
  md5: md5.nullable(),
  sizeBytes: sizeBytes.nullable(),
  /** Orthanc's name of the file; another one after each rewrite of the file. */
  fileUuid: z.string().nullable(),
  /**
   * The archive did not hold this version yet when the sidecar was written. Without it the archive held it then, so that
   * its absence later is a loss.
   */
  pending: z.literal(true).optional(),
  ...contentShape,
});
export type InstanceRecord = z.infer<typeof instanceSchema>;

const seriesSchema = z.strictObject({
  id: orthancId,
  tags,
  ...contentShape,
  /** In ascending order of id. */
  instances: listOf(instanceSchema).default([]),
});
export type SeriesRecord = z.infer<typeof seriesSchema>;

export const studySidecarSchema = z.strictObject({
  format: z.literal('orthanc-mirror-study'),
  version: z.literal(1),
  id: orthancId,
  patientId: orthancId,
  /** Of the patient, as the study tells them. */
  patientTags: tags,
  tags,
  ...contentShape,
  /** In ascending order of id. */
  series: listOf(seriesSchema).default([]),
});
export type StudySidecar = z.infer<typeof studySidecarSchema>;

export const patientSidecarSchema = z.strictObject({
  format: z.literal('orthanc-mirror-patient'),
  version: z.literal(1),
  id: orthancId,
  tags,
  /** Whether the server may not recycle the patient. */
  protected: z.boolean(),
  ...contentShape,
});
export type PatientSidecar = z.infer<typeof patientSidecarSchema>;

/** @returns whether a number is one that users may give to metadata and attachments. */
export function isUserNumber(number: number): boolean {
  return Number.isInteger(number) && number >= firstUserNumber && number <= lastUserNumber;
}

/** Content of a resource that carries nothing. */
export const noContent: ResourceContent = {
  labels: [],
  metadata: {},
  attachments: {},
  systemMetadata: {},
  namedMetadata: {},
};

/** Every instance that a document names. */
export function instancesOf({ series }: Pick<StudySidecar, 'series'>): readonly InstanceRecord[] {
  return series.flatMap(({ instances }) => instances);
}

/** A resource with what a document says of it. */
export interface DescribedResource {
  readonly level: ResourceLevel;
  readonly id: OrthancId;
  readonly content: ResourceContent;
}

/** Everything that a document describes, from the top. */
export function resourcesOf(document: StudySidecar | PatientSidecar): readonly DescribedResource[] {
  if (document.format === 'orthanc-mirror-patient') return [{ level: 'patients', id: document.id, content: document }];
  return [
    { level: 'studies', id: document.id, content: document },
    ...document.series.flatMap((series): DescribedResource[] => [
      { level: 'series', id: series.id, content: series },
      ...series.instances.map((one): DescribedResource => ({ level: 'instances', id: one.id, content: one })),
    ]),
  ];
}

/** @returns the content of a study and of everything below it. */
export function contentsOf(document: StudySidecar | PatientSidecar): readonly ResourceContent[] {
  return resourcesOf(document).map(({ content }) => content);
}

/** @returns whether a document says anything that the DICOM files and their reception do not. */
export function saysAnything(document: StudySidecar | PatientSidecar): boolean {
  const isProtected = document.format === 'orthanc-mirror-patient' && document.protected;
  return isProtected || contentsOf(document).some(hasUserContent);
}

function hasUserContent({ labels, metadata, attachments }: ResourceContent): boolean {
  return labels.length > 0 || Object.keys(metadata).length > 0 || Object.keys(attachments).length > 0;
}

/** @returns whether there is user metadata whose number is not known. */
export function hasNamedMetadata(contents: readonly ResourceContent[]): boolean {
  return contents.some(({ namedMetadata }) => Object.keys(namedMetadata).length > 0);
}
