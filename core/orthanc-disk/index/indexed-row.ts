/** Rows of `AttachedFiles` joined to `Resources`, of every back-end and schema version, as indexed files. */
import * as z from 'zod';
import { MirrorError } from '../../errors.ts';
import { isMd5, isOrthancId, type Md5, type OrthancId, type ResourceLevel, resourceLevels } from '../../identifiers.ts';
import { customPlaceOf } from './custom-data.ts';
import type { IndexedFile } from './index-reader.ts';

/** PostgreSQL gives BIGINT as text. */
const whole = z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)]);

/** None in old schemas, and empty with `StoreMD5ForAttachments` off. */
const keptMd5 = z
  .string()
  .nullable()
  .transform((text): Md5 | undefined => (isMd5(text) ? text : undefined));

/** CompressionType_ZlibWithSize (Enumerations.h). */
const zlibWithSize = 2;

/** `customData` is a BLOB in SQLite and BYTEA in PostgreSQL. */
const indexedRow = z.object({
  uuid: z.string(),
  fileType: whole,
  resourceType: whole,
  publicId: z.custom<OrthancId>(isOrthancId),
  compression: whole,
  storedSize: whole,
  storedMd5: keptMd5,
  contentSize: whole,
  contentMd5: keptMd5,
  customData: z
    .instanceof(Uint8Array)
    .nullable()
    .transform((bytes) => (bytes === null || bytes.length === 0 ? undefined : bytes)),
});

/** @param firstLevel number of the patient level: 1 in SQLite, 0 in the databases of plugins. */
export function indexedFile(row: unknown, firstLevel: 0 | 1): IndexedFile {
  const parsed = indexedRow.safeParse(row);
  if (!parsed.success) throw malformed(parsed.error.issues[0]?.path.join('.'));
  const { uuid, fileType, resourceType, publicId, compression, customData, ...content } = parsed.data;
  return {
    uuid,
    contentType: fileType,
    level: levelOf(resourceType - firstLevel),
    resource: publicId,
    isCompressed: compression === zlibWithSize,
    storedBytes: content.storedSize,
    storedMd5: content.storedMd5,
    contentBytes: content.contentSize,
    contentMd5: content.contentMd5,
    customPlace: customPlaceOf(customData),
  };
}

function levelOf(position: number): ResourceLevel {
  const level = resourceLevels[position];
  if (level === undefined) throw malformed('resourceType');
  return level;
}

function malformed(field: string | undefined): MirrorError {
  return new MirrorError('answer-malformed', `the index has a row of AttachedFiles with an unexpected ${field}`);
}
