/**
 * Reading the index of an Orthanc: what it says about the files of the storage area, and of what age it is.
 * Nothing here ever writes to an index.
 */

import { type InstanceId, isInstanceId, type Md5, type OrthancId, type ResourceLevel } from '../../identifiers.ts';
import type { Backend, FoundServer } from '../found-server.ts';
import type { CustomPlace } from './custom-data.ts';

/** Numbers of Orthanc's `FileContentType`: what a file of the storage area is. From `firstUser` on: user attachments. */
export const contentTypes = { dicom: 1, dicomAsJson: 2, dicomUntilPixelData: 3, firstUser: 1024 } as const;

/** A row of `AttachedFiles`: one file of the storage area. */
export interface IndexedFile {
  readonly uuid: string;
  readonly contentType: number;
  readonly level: ResourceLevel;
  /** What it is attached to, by the id that this server computed. */
  readonly resource: OrthancId;
  /** Whether it lies compressed in the storage (`StorageCompression`). */
  readonly isCompressed: boolean;
  /** Size and MD5 of the file as it lies in the storage. No MD5: none was kept. */
  readonly storedBytes: number;
  readonly storedMd5: Md5 | undefined;
  /** Size and MD5 of its content, uncompressed. */
  readonly contentBytes: number;
  readonly contentMd5: Md5 | undefined;
  /** Where a plugin put the file, if not where Orthanc itself puts it. */
  readonly customPlace: CustomPlace | undefined;
}

/** The id of the instance whose DICOM bytes a file holds; `undefined` for attachments. */
export function instanceOf(file: IndexedFile): InstanceId | undefined {
  const isDicom = file.level === 'instances' && file.contentType === contentTypes.dicom;
  return isDicom && isInstanceId(file.resource) ? file.resource : undefined;
}

/** What an index says about itself; the part of a found server that can be read from it. */
export type IndexDescription = Pick<
  FoundServer,
  'schema' | 'revision' | 'revisionIsExact' | 'sqliteAdditions' | 'instances' | 'storedBytes'
> & { readonly backend: Backend };

/** One consistent view of an index. */
export interface IndexReader {
  /** How the index is called in messages: a path, or an address without credentials. */
  readonly name: string;
  /** Whether a server may be changing the index right now; this view then stays as it was when it was opened. */
  readonly live: boolean;
  describe(): Promise<IndexDescription>;
  /** All files, in ascending order of uuid. */
  files(): AsyncIterable<IndexedFile>;
  /** Those of the given uuids that the index knows. */
  among(uuids: ReadonlySet<string>): Promise<ReadonlyMap<string, IndexedFile>>;
  /** Uuids of files that are about to be deleted, or were left over when their rows were deleted. */
  pendingDeletions(): Promise<ReadonlySet<string>>;
  /**
   * Frees everything. Throws `changed-meanwhile` if a server was started on an index that was read in place: what was
   * read then cannot be trusted.
   */
  close(): Promise<void>;
}
