/**
 * What an import finds: files, objects of a bucket, and members of archives, as bytes that can be read again.
 */

import type { ErrorCode } from '../errors.ts';
import type { StorageRole } from '../orthanc-disk/storage/storage-names.ts';
import { shortenedAmid } from '../printable.ts';
import type { RereadableBytes } from '../streams/rereadable-bytes.ts';

/**
 * Where something was found, in the user's own words: file names can hold names of patients, so this goes to the
 * user's report and nowhere else: no log, no error message, no metric.
 */
export interface FoundAt {
  /** Path below what was imported, with `!/` before the name of each member of an archive. */
  readonly path: string;
  /** The bytes of the path in base64 where they are not UTF-8; `path` shows them as Latin-1 then. */
  readonly pathBase64?: string;
}

/** One file, object or member. */
export interface Found {
  readonly at: FoundAt;
  readonly bytes: RereadableBytes;
  /** What its name says about its part in an Orthanc storage; `undefined` for any other file. */
  readonly storage: StorageRole | undefined;
  /** Path of a plain file; `undefined` for members and objects. */
  readonly file?: Buffer;
  /** By which its {@link ImportSource} finds it again; `undefined` for members of archives. */
  readonly reference?: string;
}

/** A file, or what stands in the way of one. */
export type Walked = { readonly kind: 'file'; readonly found: Found } | ({ readonly kind: 'obstacle' } & Obstacle);

/** A folder or bucket to import from. */
export interface ImportSource {
  /** How it is called in messages: no path, which can hold names of patients. */
  readonly name: string;
  /** Everything in it, each file once. Throws a {@link MirrorError} if it cannot be listed to its end. */
  walk(): AsyncIterable<Walked>;
  /** Finds a file again. Throws `vanished` if it is gone. */
  again(reference: string): Promise<Found>;
  /** Finds the file of an attachment, if this is an Orthanc storage; `undefined` if it is not there. */
  storageFile(uuid: string): Promise<Found | undefined>;
  /** Frees connections. */
  close(): Promise<void>;
}

/** Something in the walk that is not a readable file. */
export interface Obstacle {
  readonly at: FoundAt;
  /** What it is, in one phrase. */
  readonly what: string;
  /** The error that hides files, so that what is found is not all; `undefined` if nothing can be behind it. */
  readonly hides: ErrorCode | undefined;
}

/** @returns where a path of raw bytes is, readable and without loss. */
export function foundAt(path: Buffer): FoundAt {
  const utf8 = path.toString('utf8');
  return Buffer.from(utf8, 'utf8').equals(path)
    ? { path: utf8 }
    : { path: path.toString('latin1'), pathBase64: path.toString('base64') };
}

/** Longer than names of files are; an archive can hold names of megabytes, one after the other. */
const longestNameLength = 1024;

/** @returns where the member `name` of an archive is; a name that no file could have is shortened in its middle. */
export function memberAt(archive: FoundAt, name: string): FoundAt {
  return { path: `${archive.path}!/${shortenedAmid(name, longestNameLength)}` };
}
