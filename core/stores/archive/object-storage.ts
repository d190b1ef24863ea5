/**
 * The little that an archive needs of the place it lies in: an S3 bucket or a folder. The comments are the contract;
 * `test/contract/object-storage-contract.ts` is the same as tests, and both implementations pass it.
 *
 * A key is text of segments joined by `/`, without empty, `.` or `..` segments. Keys are compared by the bytes of
 * their UTF-8 form. Objects under one key are only ever replaced by {@link ObjectStorage.replaceIf}, which is for
 * documents of state and the manifest; everything else is written once.
 *
 * Every call throws a `MirrorError`: `unreachable`, `busy`, `server-error` (may be repeated), `forbidden`,
 * `unauthorized`, `full`, `read-only`, `configuration` (no bucket, no folder), `interrupted` when its signal aborts (or
 * the MirrorError that the signal was aborted with).
 */

import type { CallOptions } from '../../call-options.ts';
import type { Md5 } from '../../identifiers.ts';
import type { InstanceBytes } from '../store.ts';

/** What a listing tells of an object. */
export interface ObjectEntry {
  readonly key: string;
  readonly sizeBytes: number;
  readonly lastModified: Date;
  /** Opaque; differs whenever the object under the key was replaced. Not a hash of the content. */
  readonly etag: string;
}

/** An object being read. */
export interface OpenObject extends ObjectEntry {
  /** How many bytes `body` has: `sizeBytes`, or less if a range was asked for. */
  readonly bodyBytes: number;
  /**
   * The bytes, once. Ends normally only after `bodyBytes` bytes; throws `body-short` when the storage ends early and
   * `unreachable` when the connection breaks.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives up reading. Idempotent; harmless after the end. Must be called if `body` is not read to its end. */
  cancel(): void;
}

/** Bytes `first` to `last`, both included and counted from 0, as in HTTP. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

export interface PutOptions extends CallOptions {
  /** How many bytes are given; a body of any other length is refused. */
  readonly sizeBytes: number;
  /** MD5 that the bytes must have. */
  readonly md5?: Md5 | undefined;
  /** MIME type, for people who open the object by other means. */
  readonly contentType?: string | undefined;
}

export interface GetOptions extends CallOptions {
  readonly range?: ByteRange | undefined;
}

export interface ListOptions extends CallOptions {
  /** List only keys greater than this one, which need not exist. */
  readonly after?: string | undefined;
}

/** What asking for a copy of a cold object came to: `readable`, because it is not cold, or a copy of it is there. */
export type Thawed = 'asked' | 'under-way' | 'readable';

/** A place of objects under keys. */
export interface ObjectStorage {
  /** How the place is called in messages: configured name or address without credentials. */
  readonly name: string;

  /**
   * Makes sure that the place can be written to, before its first use: creates a folder if its parent exists. Idempotent.
   * Throws `configuration` if there is no such bucket, or no such parent. All other calls on a place that does not
   * exist throw `configuration` or find nothing.
   */
  prepare(options?: CallOptions): Promise<void>;

  /**
   * From now on every call throws `unreachable` if the object that lies under the key now is gone, or is another one:
   * what the folder lies on is not mounted. Nothing is created then. A bucket does not go away: there it does nothing.
   */
  anchor(key: string): Promise<void>;

  /**
   * Writes an object unless there is one under the key, which is never overwritten. `'created'`: the object is durable
   * now. `'exists'`: there was an object, of whatever content, or another writer was quicker, or an earlier try of this
   * very call succeeded although its answer was lost; the bytes may not be read then.
   *
   * All or nothing: the key shows nothing until all bytes were written and have the size and MD5 of the options;
   * whatever else happens leaves nothing under the key. A process that is killed leaves at most an unfinished upload or
   * temporary file that no listing shows. May be repeated after any error, if the bytes can be given again: a stream is
   * read once, never again by this call.
   *
   * Throws `body-short` (fewer bytes than `sizeBytes`), `hash-mismatch` (more bytes, or another MD5), or what the bytes
   * throw while being read.
   */
  putOnce(key: string, bytes: InstanceBytes, options: PutOptions): Promise<'created' | 'exists'>;

  /**
   * Starts reading an object; `undefined` if there is none. The signal also ends the reading of the body. A range is
   * cut at the end of the object; one that begins behind it has no bytes.
   */
  get(key: string, options?: GetOptions): Promise<OpenObject | undefined>;

  /** Tells size, time and ETag of an object without reading it; `undefined` if there is none. */
  head(key: string, options?: CallOptions): Promise<ObjectEntry | undefined>;

  /**
   * Lists the objects whose keys begin with `prefix` (which may end amid a segment), in ascending byte order of the
   * keys. An object that exists from before the call until its end is always listed. An end without error is a complete
   * listing.
   */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectEntry>;

  /**
   * Lists the distinct next segments below `prefix` (empty or ending in `/`) that have objects below them, as
   * `prefix + segment + '/'`, in ascending byte order, without listing those objects.
   */
  listFolders(prefix: string, options?: ListOptions): AsyncIterable<string>;

  /**
   * Writes a small document if the one under the key is still the expected one, or if there is none and `null` is
   * expected. Of several callers with the same expectation, exactly one succeeds; the others are told `'changed'`.
   * Durable when it returns. After an error it is unknown whether the document was written: read it again.
   */
  replaceIf(
    key: string,
    bytes: Uint8Array,
    expectedEtag: string | null,
    options?: CallOptions,
  ): Promise<{ readonly etag: string } | 'changed'>;

  /**
   * Puts right bytes in the place of an object that was found damaged; the only way to replace one that is written
   * once. What was there is kept: in a bucket as the version before (the bucket must be versioned), in a folder as
   * `superseded/<key>.<time>`. All or nothing like {@link putOnce}, and never without the MD5 of the right bytes.
   */
  supersede(key: string, bytes: InstanceBytes, options: PutOptions & { readonly md5: Md5 }): Promise<void>;

  /**
   * Takes away a damaged object whose right bytes are nowhere, so that it is not met again. What was there is kept as by
   * {@link supersede}. Nothing happens if there is none.
   */
  setAside(key: string, options?: CallOptions): Promise<void>;

  /**
   * Deletes what is under the key, if anything. Idempotent. Only for documents of state, leases and inboxes: nothing in
   * the code calls it for `instances/` or any other record of the archive, and the roles in the cloud do not permit it.
   */
  delete(key: string, options?: CallOptions): Promise<void>;

  /**
   * An address under which anybody reads an object for so many seconds, with the rights of this process and without
   * credentials of their own. Absent where a storage has no such addresses.
   */
  readonly addressFor?: (key: string, seconds: number) => Promise<string>;

  /**
   * Has a copy of an object in a cold storage class made, in bulk, which can be read within 48 hours and for a week. What is
   * being made already is not asked for again, because asking costs money. Absent where a storage has no such classes.
   */
  readonly thaw?: (key: string, options?: CallOptions) => Promise<Thawed>;

  /** Frees connections. The storage cannot be used afterwards. Idempotent. */
  close(): Promise<void>;
}

/**
 * A storage that does some things in another way, and everything else by itself, whatever that is: what a storage learns to
 * do later is not to be passed on by hand here, where it would be forgotten.
 */
export function changedStorage(objects: ObjectStorage, changes: Partial<ObjectStorage>): ObjectStorage {
  return new Proxy(objects, {
    get(_, name) {
      if (Object.hasOwn(changes, name)) return Reflect.get(changes, name);
      const value: unknown = Reflect.get(objects, name);
      // With its own `this`: a method may use private fields.
      return typeof value === 'function' ? value.bind(objects) : value;
    },
  });
}
