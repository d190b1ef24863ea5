/** The attachment of an instance that is its DICOM file: number 1, `dicom` (Orthanc: Enumerations.h, FileContentType). */
import * as z from 'zod';
import { type InstanceId, isInstanceId, isMd5, type Md5 } from '../../identifiers.ts';
import { listOf } from '../../json.ts';
import type { InventoryEntry } from '../store.ts';

const dicomContentType = 1;

/** Path of the file's routes; the file itself is below it as `/data`. */
export function dicomPath(id: InstanceId): string {
  return `/instances/${id}/attachments/dicom`;
}

/** Path of the file's hash as text: what every version tells of it in one request. */
export function md5Path(id: InstanceId): string {
  return `${dicomPath(id)}/md5`;
}

export const instanceIdSchema = z.string().refine(isInstanceId);

/** A number of bytes; some versions write such numbers as texts. */
export const sizeSchema = z.union([
  z.int().nonnegative(),
  z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
]);

/** An attachment as listings and `…/info` tell it. Without hashes (`StoreMD5ForAttachments` off) the MD5 is empty. */
export const attachmentSchema = z.object({
  ContentType: z.number(),
  UncompressedSize: sizeSchema,
  UncompressedMD5: z.string().optional(),
});

export type Attachment = z.output<typeof attachmentSchema>;

/** What `response-content=Attachments` lists (1.12.5). */
export const listedInstancesSchema = listOf(z.object({ ID: instanceIdSchema, Attachments: listOf(attachmentSchema) }));

/** @returns the line of an inventory for an instance with these attachments. */
export function entryOf(id: InstanceId, attachments: readonly Attachment[]): InventoryEntry {
  const dicom = attachments.find(({ ContentType }) => ContentType === dicomContentType);
  return { id, md5: md5In(dicom?.UncompressedMD5), sizeBytes: dicom?.UncompressedSize };
}

/** @returns an MD5 that a server told, or `undefined` if it told none. */
export function md5In(text: string | undefined): Md5 | undefined {
  const md5 = text?.trim().toLowerCase();
  return isMd5(md5) ? md5 : undefined;
}

/**
 * What an ETag of an attachment tells: `"revision-md5"` since 1.9.3, `"revision-"` without hashes, `"revision"` before.
 * A proxy may have marked it as weak. @returns `undefined` if it is none of these or has no place for an MD5.
 */
export function parseEtag(etag: string | undefined): { readonly md5: Md5 | undefined } | undefined {
  const found = /^(?:W\/)?"\d+-([0-9a-f]{32})?"$/.exec(etag ?? '');
  return found === null ? undefined : { md5: md5In(found[1]) };
}
