/** A folder that instances are restored to, as a store: one file for each, in folders of patient, study and series. */
import { createHash } from 'node:crypto';
import type { CallOptions } from '../../call-options.ts';
import { readDicom } from '../../dicom/dicom-header.ts';
import { MirrorError } from '../../errors.ts';
import { type InstanceId, isMd5, type Md5, type OrthancId } from '../../identifiers.ts';
import type { ObjectStorage, OpenObject } from '../../stores/archive/object-storage.ts';
import type {
  DestinationStore,
  InstanceBytes,
  InstanceIdentity,
  InventoryEntry,
  InventoryOptions,
  OpenInstance,
  OpenOptions,
  StoreOutcome,
} from '../../stores/store.ts';
import { type InstancePlace, instanceAt, restoredInstanceKey, studyAt } from './restored-keys.ts';

/** What identifies a file stands before its pixels; as much of a stream is looked at. */
const headBytes = 4 * 1024 * 1024;

export class RestoredFolder implements DestinationStore {
  readonly name: string;
  readonly #files: ObjectStorage;
  /** Key of each instance. About 200 bytes of memory for each. */
  readonly #keys = new Map<InstanceId, string>();
  readonly #studies = new Set<OrthancId>();
  #unidentified = 0;

  private constructor(files: ObjectStorage) {
    this.name = files.name;
    this.#files = files;
  }

  /** Opens a folder, which the store then owns; what an earlier restore wrote there counts. */
  static async open(files: ObjectStorage, options: CallOptions = {}): Promise<RestoredFolder> {
    await files.prepare(options);
    const folder = new RestoredFolder(files);
    for await (const { key } of files.list('', options)) {
      const id = instanceAt(key);
      if (id !== undefined) folder.#note(id, key);
    }
    return folder;
  }

  /** @returns whether an instance lies here. */
  holds(id: InstanceId): boolean {
    return this.#keys.has(id);
  }

  /** How many instances were stored whose own header does not tell the id that they were stored under. */
  get unidentified(): number {
    return this.#unidentified;
  }

  /** @returns whether any instance of a study lies here. */
  holdsStudy(study: OrthancId): boolean {
    return this.#studies.has(study);
  }

  /** Tells no hashes: what lies there is read and hashed by {@link lookup} before it counts as restored. */
  async *inventory({ after, signal }: InventoryOptions = {}): AsyncGenerator<InventoryEntry> {
    for (const id of [...this.#keys.keys()].sort()) {
      signal?.throwIfAborted();
      if (after === undefined || id > after) yield { id, md5: undefined, sizeBytes: undefined };
    }
  }

  async lookup(id: InstanceId, options: CallOptions = {}): Promise<readonly InventoryEntry[]> {
    const object = await this.#get(id, options);
    if (object === undefined) return [];
    try {
      return [{ id, md5: await md5OfChunks(object.body), sizeBytes: object.sizeBytes }];
    } finally {
      object.cancel();
    }
  }

  async open(id: InstanceId, options: OpenOptions = {}): Promise<OpenInstance> {
    const object = await this.#get(id, options);
    if (object === undefined) throw new MirrorError('vanished', `${this.name} does not hold instance ${id}`);
    const { sizeBytes, body } = object;
    return { id, md5: undefined, sizeBytes, body, cancel: () => object.cancel() };
  }

  /** The place of the file follows from its header. It appears when all its bytes are there and verified. */
  async store(instance: InstanceIdentity, body: InstanceBytes, options: CallOptions = {}): Promise<StoreOutcome> {
    const { id, md5, sizeBytes } = instance;
    const { head, all } = await peek(body);
    const place = await placeOf(head, id);
    const key = restoredInstanceKey(id, place);
    const outcome = await this.#files.putOnce(key, all, {
      sizeBytes,
      md5,
      contentType: 'application/dicom',
      signal: options.signal,
    });
    this.#note(id, key);
    if (outcome === 'created' && place === undefined) this.#unidentified += 1;
    if (outcome === 'created') return { kind: 'stored' };
    const held = (await this.lookup(id, options))[0];
    return held?.md5 === md5 ? { kind: 'already-equal' } : { kind: 'conflict', md5: held?.md5 };
  }

  /** Puts another version in the place of the one that lies here, which the folder keeps under `superseded/`. */
  async replace({ id, md5, sizeBytes }: InstanceIdentity, body: InstanceBytes, options: CallOptions): Promise<void> {
    const key = this.#keys.get(id);
    if (key === undefined) throw new MirrorError('vanished', `${this.name} does not hold instance ${id} any more`);
    await this.#files.supersede(key, body, { sizeBytes, md5, contentType: 'application/dicom', ...options });
  }

  /** Closes the folder as well. */
  close(): Promise<void> {
    return this.#files.close();
  }

  #note(id: InstanceId, key: string): void {
    this.#keys.set(id, key);
    const study = studyAt(key);
    if (study !== undefined) this.#studies.add(study);
  }

  async #get(id: InstanceId, { signal }: CallOptions): Promise<OpenObject | undefined> {
    const key = this.#keys.get(id);
    return key === undefined ? undefined : this.#files.get(key, { signal });
  }
}

/** @returns the first bytes, and all of them once more. */
async function peek(body: InstanceBytes): Promise<{ head: Uint8Array; all: InstanceBytes }> {
  if (body instanceof Uint8Array) return { head: body.subarray(0, headBytes), all: body };
  const iterator = body[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  for (let bytes = 0; bytes < headBytes; ) {
    const next = await iterator.next();
    if (next.done === true) break;
    first.push(next.value);
    bytes += next.value.byteLength;
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    yield* first.splice(0);
    yield* { [Symbol.asyncIterator]: () => iterator };
  }
  return { head: Buffer.concat(first), all: all() };
}

/** An instance of another id than its own header tells has no place in the folder of a study that it only claims. */
async function placeOf(head: Uint8Array, id: InstanceId): Promise<InstancePlace | undefined> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield head;
  }
  const reading = await readDicom(chunks());
  if (reading.kind !== 'instance') return undefined;
  const { instanceId, otherInstanceIds, patientOrthancId: patient, studyId: study, seriesId: series } = reading.header;
  if (instanceId !== id && !otherInstanceIds.includes(id)) return undefined;
  return { patient, study, series };
}

async function md5OfChunks(chunks: AsyncIterable<Uint8Array>): Promise<Md5> {
  const hash = createHash('md5');
  for await (const chunk of chunks) hash.update(chunk);
  const md5 = hash.digest('hex');
  if (!isMd5(md5)) throw new Error('an MD5 is 32 hexadecimal digits');
  return md5;
}
