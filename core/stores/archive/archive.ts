/**
 * An archive as a store: it keeps every version of every instance, each written once under its id and MD5, and like every
 * other store lists each id once, with the version that is the current one.
 */

import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { InstanceId, Md5 } from '../../identifiers.ts';
import type {
  DestinationStore,
  InstanceBytes,
  InstanceIdentity,
  InventoryEntry,
  InventoryOptions,
  KnownEntry,
  OpenInstance,
  OpenOptions,
  StoreOptions,
  StoreOutcome,
} from '../store.ts';
import { ArchiveHistory, speaksForSource } from './archive-history.ts';
import { type FutureTime, notingTimes, tellingFutureTimes } from './future-times.ts';
import { type ArchivedVersion, type InstanceHistory, isForeign, stateNow } from './history.ts';
import type { ArchiveWriter } from './history-record.ts';
import { instanceKey, manifestKey } from './keys.ts';
import { type ArchiveManifest, type ArchiveSource, createManifest, readManifest, succeedSource } from './manifest.ts';
import type { ObjectStorage } from './object-storage.ts';

export interface ArchiveOptions {
  /** Who writes; default `repair`, as who opens an archive to read it may still repair it. */
  readonly writer?: ArchiveWriter | undefined;
  /** The clock of the records; default: this machine's. */
  readonly now?: (() => Date) | undefined;
  /** Told of each record and sidecar whose time lies in the future, once, when a listing meets it or it is read. */
  readonly onFutureTime?: ((found: FutureTime) => void) | undefined;
  /** Awaited when a version that is to be read lies in a cold storage class, before that is thrown. */
  readonly onCold?: ((objects: ObjectStorage, key: string) => Promise<void>) | undefined;
}

export interface ProveArchiveOptions extends CallOptions {
  /** If the place is empty, makes it an archive of this source. Otherwise an absent archive is an error. */
  readonly createFor?: ArchiveSource | undefined;
}

export interface OpenArchiveOptions extends ArchiveOptions, ProveArchiveOptions {}

/**
 * Opens the archive that lies in a storage, which the archive then owns. Throws `archive-format` if there is none (and
 * none may be created), if something else lies there, or if its format is newer; and what the storage throws.
 */
export async function openArchive(objects: ObjectStorage, options: OpenArchiveOptions = {}): Promise<Archive> {
  const { writer, now, onFutureTime, onCold, ...call } = options;
  const archive = new Archive(objects, { writer, now, onFutureTime, onCold });
  await archive.prove(call);
  return archive;
}

/** An archive; made by {@link openArchive}, or, while its place is out of reach, without {@link Archive.prove}. */
export class Archive implements DestinationStore {
  readonly name: string;
  /** Where it lies: for sidecars, state and reports, which have modules of their own. */
  readonly objects: ObjectStorage;
  readonly #history: ArchiveHistory;
  readonly #speaksForSource: boolean;
  readonly #onCold: ArchiveOptions['onCold'];
  /** One id at a time: two versions that come at once, from a folder of files, must see each other. */
  readonly #storing = new Map<InstanceId, Promise<void>>();
  #manifest: ArchiveManifest | undefined;

  constructor(
    objects: ObjectStorage,
    { writer = 'repair', now = () => new Date(), onFutureTime, onCold }: ArchiveOptions = {},
  ) {
    const noteTime = onFutureTime && tellingFutureTimes(onFutureTime, () => now().getTime());
    this.name = objects.name;
    this.objects = noteTime === undefined ? objects : notingTimes(objects, noteTime);
    this.#history = new ArchiveHistory(this.objects, { writer, now, noteTime });
    this.#speaksForSource = speaksForSource(writer);
    this.#onCold = onCold;
  }

  /** Whether it was ever proven to be there. */
  get isOpen(): boolean {
    return this.#manifest !== undefined;
  }

  /** Throws `unreachable` if it never was. */
  get manifest(): ArchiveManifest {
    if (this.#manifest !== undefined) return this.#manifest;
    throw this.#notOpen();
  }

  /** Which version was the current one, and when. Throws as {@link manifest}: else nothing is read or written. */
  get history(): ArchiveHistory {
    this.#assertOpen();
    return this.#history;
  }

  /**
   * Makes sure that the archive is there: at first as {@link openArchive} does, later that it is still the same one.
   * Throws `unreachable` if it was there and is gone, `archive-format` if another one lies there now.
   */
  async prove({ createFor, ...call }: ProveArchiveOptions = {}): Promise<void> {
    const found = await readManifest(this.objects, call);
    if (this.#manifest !== undefined) {
      if (JSON.stringify(found) === JSON.stringify(this.#manifest)) return;
      const what =
        found === undefined ? 'the archive that was there is gone' : 'another archive lies there than before';
      const code = found === undefined ? 'unreachable' : 'archive-format';
      throw new MirrorError(code, `${this.name}: ${what}`, { store: this.name });
    }
    const manifest =
      found ?? (createFor === undefined ? undefined : await createManifest(this.objects, createFor, call));
    if (manifest === undefined) {
      throw new MirrorError(
        'archive-format',
        `${this.name} holds no archive (there is no archive.json); check the address, or mirror to it first`,
        { store: this.name },
      );
    }
    await this.objects.anchor(manifestKey);
    this.#manifest = manifest;
  }

  async *inventory(options: InventoryOptions = {}): AsyncGenerator<InventoryEntry> {
    for await (const { standing, id, md5, sizeBytes } of this.known(options)) {
      if (standing === 'held') yield { id, md5, sizeBytes };
    }
  }

  async *known(options: InventoryOptions = {}): AsyncGenerator<KnownEntry> {
    for await (const history of this.history.list(options)) {
      const known = this.#asKnown(history);
      if (known !== undefined) yield known;
    }
  }

  async lookup(id: InstanceId, options: CallOptions = {}): Promise<readonly InventoryEntry[]> {
    const known = await this.knownOf(id, options);
    return known?.standing === 'held' ? [{ id, md5: known.md5, sizeBytes: known.sizeBytes }] : [];
  }

  async knownOf(id: InstanceId, options: CallOptions = {}): Promise<KnownEntry | undefined> {
    return this.#asKnown(await this.history.of(id, options));
  }

  async open(id: InstanceId, options: OpenOptions = {}): Promise<OpenInstance> {
    const { signal } = options;
    const md5 = options.md5 ?? (await this.lookup(id, { signal }))[0]?.md5;
    const opened = md5 && (await this.openVersion(id, md5, { signal }));
    if (opened !== undefined) return opened;
    throw new MirrorError('vanished', `${this.name} does not hold instance ${id}${md5 ? ` with MD5 ${md5}` : ''}`);
  }

  /** Starts reading a version, whether it is the current one or not; `undefined` if there is no such object. */
  async openVersion(id: InstanceId, md5: Md5, options: CallOptions = {}): Promise<OpenInstance | undefined> {
    this.#assertOpen();
    const key = instanceKey(id, md5);
    const object = await this.objects.get(key, options).catch(async (error: unknown) => {
      if (isMirrorError(error, 'cold')) await this.#onCold?.(this.objects, key);
      throw error;
    });
    if (object === undefined) return undefined;
    const { sizeBytes, body } = object;
    return { id, md5, sizeBytes, idIsProven: true, body, cancel: () => object.cancel() };
  }

  /**
   * Other bytes under the same id are another version beside the first, never a conflict. What the archive's source has
   * becomes the current version; what comes another way does so only for an id of which the archive knows nothing.
   *
   * The bytes are hashed while they are written; nothing appears in the archive unless they have the promised size and
   * MD5. Throws `hash-wrong` if the archive holds an object of another size under this id and MD5: it is damaged and is
   * not overwritten.
   */
  async store(instance: InstanceIdentity, body: InstanceBytes, options: StoreOptions = {}): Promise<StoreOutcome> {
    this.#assertOpen();
    const { id } = instance;
    const before = this.#storing.get(id);
    const turn = (before ?? Promise.resolve()).then(() =>
      this.#store(instance, body, before === undefined ? options : { ...options, isAbsent: false }),
    );
    const ended = turn.then(
      () => undefined,
      () => undefined,
    );
    this.#storing.set(id, ended);
    try {
      return await turn;
    } finally {
      if (this.#storing.get(id) === ended) this.#storing.delete(id);
    }
  }

  async #store(instance: InstanceIdentity, body: InstanceBytes, options: StoreOptions): Promise<StoreOutcome> {
    const { id, md5 } = instance;
    const { isAbsent = false, signal } = options;
    const found = isAbsent ? { id, versions: [], records: [] } : await this.history.of(id, { signal });
    const before = await this.#beforeAdding(found, md5, { signal });
    const outcome = await this.#put(instance, body, { signal });
    const wasEmpty = before.versions.length === 0;
    if (wasEmpty && outcome === 'created') return { kind: 'stored' };
    // Something is there, or was put there since: which version counts must be recorded.
    const recorded = await this.#makeCurrent(wasEmpty ? await this.history.of(id, { signal }) : before, md5, {
      signal,
    });
    return outcome === 'created' && recorded.kind === 'already-equal' ? { ...recorded, kind: 'stored' } : recorded;
  }

  async storeKept(
    { id, md5, sizeBytes }: Pick<InstanceIdentity, 'id' | 'md5'> & { readonly sizeBytes?: number | undefined },
    { signal }: CallOptions = {},
  ): Promise<StoreOutcome | undefined> {
    const history = await this.history.of(id, { signal });
    const kept = history.versions.find((version) => version.md5 === md5);
    if (kept === undefined) return undefined;
    if (sizeBytes !== undefined && kept.sizeBytes !== sizeBytes) {
      throw damagedVersion(this.name, { id, md5, sizeBytes }, kept.sizeBytes);
    }
    return this.#makeCurrent(history, md5, { signal });
  }

  /** Records that the source no longer has an instance, unless that is recorded or the archive never had it. */
  async recordRemoval(id: InstanceId, options: CallOptions = {}): Promise<void> {
    const history = await this.history.of(id, options);
    const { kind } = stateNow(history);
    if (kind !== 'absent' && kind !== 'removed') await this.history.append(history, { what: 'removed' }, options);
  }

  /**
   * Puts right bytes in the place of a version whose object was found damaged; what was there is kept aside, see
   * {@link ObjectStorage.supersede}. The bytes are verified as in {@link store}. In a bucket the object has a new time
   * then, so the first version gets its record before.
   */
  async supersede(instance: InstanceIdentity, body: InstanceBytes, { signal }: CallOptions = {}): Promise<void> {
    await this.history.withFirst(await this.history.of(instance.id, { signal }), { signal });
    await this.#replace(instance, body, { signal });
  }

  /**
   * Puts a version back that the archive held at a time and lost since. Which one counts does not change by that. Errors
   * and guarantees as of {@link supersede}.
   */
  async putBack(
    instance: InstanceIdentity,
    heldAt: Date,
    body: InstanceBytes,
    options: CallOptions = {},
  ): Promise<void> {
    const { signal } = options;
    await this.history.recordLost(instance, heldAt, { signal });
    await this.#replace(instance, body, { signal });
  }

  async #replace(
    { id, md5, sizeBytes }: InstanceIdentity,
    body: InstanceBytes,
    { signal }: CallOptions,
  ): Promise<void> {
    await this.objects.supersede(instanceKey(id, md5), body, {
      sizeBytes,
      md5,
      contentType: 'application/dicom',
      signal,
    });
  }

  /** Every version of every instance, in order of id, then of MD5, the current ones and all others. */
  versions(options: InventoryOptions = {}): AsyncGenerator<ArchivedVersion> {
    return this.history.versions(options);
  }

  /** Another server takes the place of the archive's source, for good. Throws as {@link succeedSource}. */
  async succeed(source: ArchiveSource, at: Date, options: CallOptions = {}): Promise<void> {
    this.#manifest = await succeedSource(this.objects, source, at, options);
    await this.objects.anchor(manifestKey);
  }

  /** What was never proven to be an archive is neither read nor written to. */
  #assertOpen(): void {
    if (this.#manifest === undefined) throw this.#notOpen();
  }

  #notOpen(): MirrorError {
    return new MirrorError('unreachable', `${this.name} could not be opened yet`, { store: this.name });
  }

  /** Closes the storage as well. */
  close(): Promise<void> {
    return this.objects.close();
  }

  /** What must be recorded before other bytes appear under an id. @returns the history with it */
  async #beforeAdding(history: InstanceHistory, md5: Md5, options: CallOptions): Promise<InstanceHistory> {
    const { versions } = history;
    if (versions.length > 0) {
      return versions.some((version) => version.md5 === md5) ? history : this.history.withFirst(history, options);
    }
    return this.#speaksForSource ? history : this.history.append(history, { what: 'imported', md5 }, options);
  }

  async #put(instance: InstanceIdentity, body: InstanceBytes, options: CallOptions): Promise<'created' | 'exists'> {
    const { id, md5, sizeBytes } = instance;
    const key = instanceKey(id, md5);
    const contentType = 'application/dicom';
    const outcome = await this.objects.putOnce(key, body, { sizeBytes, md5, contentType, ...options });
    if (outcome === 'created') return outcome;
    const held = await this.objects.head(key, options);
    if (held?.sizeBytes !== sizeBytes) throw damagedVersion(this.name, instance, held?.sizeBytes);
    return outcome;
  }

  /** Makes a version that is there the current one, if it is what the source has. */
  async #makeCurrent(history: InstanceHistory, md5: Md5, options: CallOptions): Promise<StoreOutcome> {
    const isCurrent = currentOf(history) === md5;
    if (!this.#speaksForSource) return { kind: 'already-equal', ...(!isCurrent && { isKeptBeside: true }) };
    if (isCurrent && !isForeign(history)) return { kind: 'already-equal' };
    await this.history.append(history, { what: 'current', md5 }, options);
    return { kind: isCurrent ? 'already-equal' : 'stored' };
  }

  /** What a comparison is told. */
  #asKnown(history: InstanceHistory): KnownEntry | undefined {
    const { id } = history;
    const state = stateNow(history);
    if (state.kind === 'absent') return undefined;
    const versions = history.versions.map(({ md5 }) => md5);
    const known = { id, versions, isForeign: this.#speaksForSource && isForeign(history) };
    if (state.kind === 'held') {
      return { ...known, standing: 'held', md5: state.version.md5, sizeBytes: state.version.sizeBytes };
    }
    const standing = state.kind === 'removed' ? 'removed' : 'undecided';
    return { ...known, standing, md5: undefined, sizeBytes: undefined };
  }
}

/** The hash of the version that counts now, also where its object was missing a moment ago. */
function currentOf(history: InstanceHistory): Md5 | undefined {
  const state = stateNow(history);
  if (state.kind === 'held') return state.version.md5;
  return state.kind === 'lost' ? state.md5 : undefined;
}

function damagedVersion(name: string, { id, md5, sizeBytes }: InstanceIdentity, heldBytes: number | undefined) {
  return heldBytes === undefined
    ? new MirrorError('changed-meanwhile', `${name}: instance ${id} was there and then was not`)
    : new MirrorError(
        'hash-wrong',
        `${name}: instance ${id} with MD5 ${md5} has ${heldBytes} bytes in the archive instead of ${sizeBytes}; ` +
          'repair the archive from a store that has it',
        { advice: 'repair-archive' },
      );
}
