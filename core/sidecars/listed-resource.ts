/** How Orthanc lists one resource of any level, in `/tools/find`, `/tools/bulk-content` and `/{level}?expand`. */
import * as z from 'zod';
import { isMd5, isOrthancId, type Md5, type OrthancId } from '../identifiers.ts';
import { listOf, recordOf } from '../json.ts';
import { sizeSchema } from '../stores/orthanc/dicom-attachment.ts';

const id = z.custom<OrthancId>(isOrthancId);
/** Empty where the server keeps no hashes (`StoreMD5ForAttachments`). */
const hash = z
  .string()
  .nullish()
  .transform((text): Md5 | null => (isMd5(text) ? text : null));

/** An entry of `Attachments` (1.12.5), and the answer of `…/attachments/<number>/info` (1.10.0). */
export const listedAttachmentSchema = z.object({
  ContentType: z.int(),
  UncompressedSize: sizeSchema,
  UncompressedMD5: hash,
  Uuid: z.string(),
});
export type ListedAttachment = Omit<z.infer<typeof listedAttachmentSchema>, 'Uuid'> & { readonly Uuid: string | null };

export const listedResourceSchema = z.object({
  ID: id,
  Labels: listOf(z.string()).optional(),
  Metadata: recordOf(z.string(), z.string()).optional(),
  Attachments: listOf(listedAttachmentSchema).optional(),
  /** Values are texts, but lists for sequences. */
  MainDicomTags: recordOf(z.string(), z.unknown()).optional(),
  PatientMainDicomTags: recordOf(z.string(), z.unknown()).optional(),
  ParentPatient: id.optional(),
  ParentStudy: id.optional(),
  ParentSeries: id.optional(),
  Studies: listOf(id).optional(),
  Series: listOf(id).optional(),
  Instances: listOf(id).optional(),
  IsProtected: z.boolean().optional(),
  /** Of instances, where listed without attachments: size in bytes, and name of the file in the storage. */
  FileSize: sizeSchema.optional(),
  FileUuid: z.string().optional(),
});
export type ListedResource = Omit<z.infer<typeof listedResourceSchema>, 'Attachments'> & {
  readonly Attachments?: readonly ListedAttachment[] | undefined;
};

export const listedResourcesSchema = listOf(listedResourceSchema);

/** Everything that a server lists of a study. `Attachments` is filled in everywhere. */
export interface ListedStudy {
  readonly study: ListedResource;
  readonly series: readonly ListedResource[];
  readonly instances: readonly ListedResource[];
}
