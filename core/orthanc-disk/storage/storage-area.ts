/** The place where Orthanc keeps its files, whatever it lies on. */
import type { CallOptions } from '../../call-options.ts';
import type { IndexedFile } from '../index/index-reader.ts';

/** A file that lies where Orthanc itself puts the file of this uuid. */
export interface StoredFile {
  readonly uuid: string;
  /** Where it lies: a path, or the key of an object. */
  readonly place: string;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
}

/** What reading a whole file tells. */
export interface FileContent {
  readonly sizeBytes: number;
  /** `undefined` where the bytes are encrypted, so that no hash of the index can be compared. */
  readonly md5: string | undefined;
}

export interface StorageArea {
  /** How the storage is called in messages. */
  readonly name: string;
  /** All files, in ascending order of uuid. Throws `configuration` if there is no storage, or it cannot be listed. */
  list(options?: CallOptions): AsyncIterable<StoredFile>;
  /** Looks at the file that a row names, where Orthanc or a plugin put it. `undefined`: it is not there. */
  find(file: IndexedFile): Promise<StoredFile | undefined>;
  /** Reads and hashes a file. `undefined`: it is gone. Throws `source-corrupt` if it cannot be read. */
  hash(file: StoredFile, options?: CallOptions): Promise<FileContent | undefined>;
  /** How many bytes the file of so many bytes occupies here: more, if the storage encrypts. */
  expectedBytes(file: StoredFile, sizeBytes: number): number;
  close(): Promise<void>;
}
