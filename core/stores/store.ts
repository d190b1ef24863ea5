/**
 * The contract of every place that holds instances: an Orthanc server, an archive, a folder of files.
 * `test/contract/store-contract.ts` is this contract as tests; every store passes it.
 */
import type { CallOptions } from '../call-options.ts';
import type { InstanceId, Md5 } from '../identifiers.ts';
import type { Witness } from './witness.ts';

/** One line of an inventory. */
export interface InventoryEntry {
  readonly id: InstanceId;
  /** MD5 of the DICOM bytes; `undefined` where the listing does not tell (ask {@link Store.lookup}). */
  readonly md5: Md5 | undefined;
  /** Size of the DICOM bytes, uncompressed; `undefined` where the listing does not tell. */
  readonly sizeBytes: number | undefined;
  /** Hash and size were told earlier, and nothing says that they changed: good enough for what is equal only. */
  readonly isRemembered?: true;
}

/** What is known of an instance before its bytes are sent to a destination. */
export interface InstanceIdentity {
  readonly id: InstanceId;
  readonly md5: Md5;
  readonly sizeBytes: number;
}

/** The bytes of an instance: in memory when small, else a stream of chunks that can be read once. */
export type InstanceBytes = Uint8Array | AsyncIterable<Uint8Array>;

/** An instance being read. */
export interface OpenInstance {
  readonly id: InstanceId;
  /** The MD5 that the store promises for the bytes, or `undefined` if it keeps none. */
  readonly md5: Md5 | undefined;
  readonly sizeBytes: number;
  /**
   * Whether the id was compared with the identifiers in the file before: so in an archive, and where files are imported.
   * What a server says is a claim, which who copies must compare.
   */
  readonly idIsProven?: boolean;
  /**
   * The bytes, once. Ends normally only after `sizeBytes` bytes; throws `body-short` when the store ends
   * early and `unreachable` when the connection breaks. Does not verify the MD5: who reads, hashes.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives up reading. Idempotent; harmless after the end. Must be called if `body` is not read to its end. */
  cancel(): void;
}

export interface StoreOptions extends CallOptions {
  /**
   * The caller asked for this very id just now, and the store knew nothing of it: it need not be asked again. An archive,
   * which deletes and replaces nothing, may have been listed a while ago.
   */
  readonly isAbsent?: boolean | undefined;
}

export interface InventoryOptions extends CallOptions {
  /** List only ids greater than this one: how an interrupted listing is resumed. */
  readonly after?: InstanceId | undefined;
  /** Hashes and sizes may be those that the store told earlier, where nothing says that they changed. Ids never are. */
  readonly mayRemember?: boolean | undefined;
  /**
   * A list of ids that was begun at this time or later (ms since 1970), and cut, may be gone on with where the store keeps one:
   * so instances are listed that existed from that time until the end of the call. Absent: the list is begun now.
   */
  readonly listedSinceMs?: number | undefined;
}

export interface OpenOptions extends CallOptions {
  /** Open the version with this hash, where a store keeps several (an archive). Others ignore it. */
  readonly md5?: Md5 | undefined;
}

/** A place that instances are read from. */
export interface Store {
  /** How the store is called in messages: configured name or address without credentials. */
  readonly name: string;

  /**
   * Lists everything, in ascending order of id (byte order of the text), each id once: an archive lists the current
   * version. An instance that exists from before the call until its end is always listed; one that comes or goes
   * meanwhile may be listed or not.
   * Throws a {@link MirrorError} when the listing cannot be completed: an end without error is a complete listing.
   */
  inventory(options?: InventoryOptions): AsyncIterable<InventoryEntry>;

  /**
   * What the store holds under an id, as {@link inventory} lists it: nothing or one entry. Tells MD5 and size unless
   * the server keeps none. Never downloads the instance.
   */
  lookup(id: InstanceId, options?: CallOptions): Promise<readonly InventoryEntry[]>;

  /**
   * Starts reading an instance, in one request where the store can; without `md5` the one that it lists.
   * Throws `vanished` if the store does not hold it, `source-corrupt` if it knows the instance but cannot read it.
   */
  open(id: InstanceId, options?: OpenOptions): Promise<OpenInstance>;

  /** Frees connections. The store cannot be used afterwards. Idempotent. */
  close(): Promise<void>;
}

/** What an archive knows of an id, beside what it lists. */
export interface KnownEntry extends InventoryEntry {
  /**
   * - `held`: it lists the id, with this hash and size.
   * - `removed`: it recorded that the source no longer had it.
   * - `undecided`: it keeps bytes under the id, and nothing tells which count; or those that count are gone.
   */
  readonly standing: 'held' | 'removed' | 'undecided';
  /** Every version whose bytes it keeps, the listed one included. */
  readonly versions: readonly Md5[];
  /**
   * What it lists came another way than from the source, which never supplied the id: it is not missing there, and if the
   * source turns out to have it, storing it once more, without its bytes, makes it the source's. Never told to who
   * does not speak for the source.
   */
  readonly isForeign: boolean;
}

/**
 * What became of an instance that was given to a destination; anything else is thrown. `isKeptBeside`: an archive keeps the
 * bytes, and goes on listing what its source has, or had, under the id.
 */
export type StoreOutcome =
  /** The bytes are there now, and the destination confirmed id and hash. */
  | { readonly kind: 'stored'; readonly isKeptBeside?: true }
  /** The destination held exactly these bytes before. */
  | { readonly kind: 'already-equal'; readonly isKeptBeside?: true }
  /** The destination holds other bytes under this id and kept them; `md5` is theirs, if it tells. */
  | { readonly kind: 'conflict'; readonly md5: Md5 | undefined };

/** A place that instances are written to. */
export interface DestinationStore extends Store {
  /** For a server, which may delete by itself what it took; absent where nothing is lost so. */
  readonly witness?: Witness | undefined;

  /**
   * Writes an instance and proves it: returns only after the destination confirmed the id and the hash of what it
   * holds. All or nothing: if `body` throws, ends early, or `signal` aborts, the destination holds nothing new.
   * Idempotent: may be repeated after any error. Never retries by itself once it has begun to read a streamed `body`.
   * Never replaces or deletes what the destination held before. A server computes ids itself: throws `wrong-id`, with
   * nothing sent, if it would give the file another one, and `not-dicom` if it could give it none.
   *
   * `body` yields exactly `instance.sizeBytes` bytes; the caller vouches that a body that ends normally hashes to
   * `instance.md5`. A `body` in memory is the caller's again, to be used for something else, once this resolves.
   */
  store(instance: InstanceIdentity, body: InstanceBytes, options?: StoreOptions): Promise<StoreOutcome>;

  /** As {@link inventory}, with every id that it knows something of. Only an archive does. */
  known?(options?: InventoryOptions): AsyncIterable<KnownEntry>;

  /** As {@link lookup}, in the same way. `undefined`: it knows nothing of the id. */
  knownOf?(id: InstanceId, options?: CallOptions): Promise<KnownEntry | undefined>;

  /**
   * As {@link store}, of bytes that it keeps already and lists, or may not list, without being given them again.
   * `undefined` if it does not keep them.
   */
  storeKept?(
    instance: Omit<InstanceIdentity, 'sizeBytes'> & { readonly sizeBytes?: number | undefined },
    options?: CallOptions,
  ): Promise<StoreOutcome | undefined>;
}
