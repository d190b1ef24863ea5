/** A store in memory that keeps the contract, with faults on demand: for tests of what is built on stores. */
import { isMirrorError, MirrorError } from '../../core/errors.ts';
import { type InstanceId, type Md5, md5Of, orthancIdOf } from '../../core/identifiers.ts';
import type {
  DestinationStore,
  InstanceBytes,
  InstanceIdentity,
  InventoryEntry,
  InventoryOptions,
  KnownEntry,
  OpenInstance,
  StoreOutcome,
} from '../../core/stores/store.ts';

/** @returns the id of the n-th sample instance. */
export function sampleId(n: number): InstanceId {
  return orthancIdOf(`patient`, `study`, `series`, `${n}`) as InstanceId;
}

/** @returns bytes that differ for every `n`. */
export function sampleBytes(n: number, sizeBytes = 64): Uint8Array {
  return Buffer.alloc(sizeBytes, `sample ${n} `);
}

export class MemoryStore implements DestinationStore {
  readonly name: string;
  readonly instances = new Map<InstanceId, Uint8Array>();
  readonly calls = { inventory: 0, lookup: 0, open: 0, store: 0 };
  /** Most stores that ran at once. */
  mostAtOnce = 0;
  #running = 0;
  /** Runs before a call is answered; throw to fail it, as an error that this store met. */
  before: (call: 'inventory' | 'lookup' | 'open' | 'store', id: InstanceId | undefined) => void | Promise<void> = () =>
    undefined;
  /** Changes a body on its way out: what a damaged transport does. */
  transport: (id: InstanceId, bytes: Uint8Array) => Uint8Array = (_, bytes) => bytes;
  /** Whether the listing tells hashes, as servers since 1.12.5 do. */
  listsHashes = true;
  /** Whether the store keeps hashes at all. */
  keepsHashes = true;
  /** The samples are no DICOM files: nothing can be read from them. */
  idsAreProven = true;
  chunkBytes = 64 * 1024;

  constructor(name: string, instances: Iterable<readonly [InstanceId, Uint8Array]> = []) {
    this.name = name;
    for (const [id, bytes] of instances) this.instances.set(id, bytes);
  }

  async *inventory({ after, signal }: InventoryOptions = {}): AsyncGenerator<InventoryEntry> {
    this.calls.inventory += 1;
    await this.#begin('inventory', undefined);
    for (const id of [...this.instances.keys()].sort()) {
      signal?.throwIfAborted();
      const bytes = this.instances.get(id);
      if (bytes === undefined || (after !== undefined && id <= after)) continue;
      const listed = this.listsHashes && this.keepsHashes;
      yield { id, md5: listed ? md5Of(bytes) : undefined, sizeBytes: listed ? bytes.byteLength : undefined };
    }
  }

  async lookup(id: InstanceId): Promise<readonly InventoryEntry[]> {
    this.calls.lookup += 1;
    await this.#begin('lookup', id);
    const bytes = this.instances.get(id);
    return bytes === undefined ? [] : [{ id, md5: this.#hashOf(bytes), sizeBytes: bytes.byteLength }];
  }

  async open(id: InstanceId): Promise<OpenInstance> {
    this.calls.open += 1;
    await this.#begin('open', id);
    const bytes = this.instances.get(id);
    if (bytes === undefined) throw new MirrorError('vanished', `${this.name} does not hold ${id}`);
    const sent = this.transport(id, bytes);
    const { chunkBytes } = this;
    const body = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < sent.byteLength; at += chunkBytes) yield sent.subarray(at, at + chunkBytes);
      if (sent.byteLength < bytes.byteLength) throw new MirrorError('body-short', `${id} ended early`);
    };
    const { idsAreProven: idIsProven } = this;
    const md5 = this.#hashOf(bytes);
    return { id, md5, sizeBytes: bytes.byteLength, idIsProven, body: body(), cancel: () => undefined };
  }

  async store(instance: InstanceIdentity, body: InstanceBytes): Promise<StoreOutcome> {
    this.calls.store += 1;
    this.#running += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.#running);
    try {
      await this.#begin('store', instance.id);
      // A copy: the memory belongs to the caller.
      const bytes = body instanceof Uint8Array ? Uint8Array.from(body) : await collect(body);
      const held = this.instances.get(instance.id);
      if (held === undefined) {
        this.instances.set(instance.id, bytes);
        return { kind: 'stored' };
      }
      const md5 = md5Of(held);
      return md5 === instance.md5 ? { kind: 'already-equal' } : { kind: 'conflict', md5 };
    } finally {
      this.#running -= 1;
    }
  }

  async close(): Promise<void> {}

  async #begin(call: Parameters<MemoryStore['before']>[0], id: InstanceId | undefined): Promise<void> {
    try {
      await this.before(call, id);
    } catch (error) {
      if (!isMirrorError(error)) throw error;
      const { code, message, disposition, retryAfterMs } = error;
      throw new MirrorError(code, message, {
        disposition,
        store: this.name,
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      });
    }
  }

  #hashOf(bytes: Uint8Array): Md5 | undefined {
    return this.keepsHashes ? md5Of(bytes) : undefined;
  }
}

/** One that also tells what it knows, as an archive does: what it holds came from the source. */
export class MemoryArchive extends MemoryStore {
  async *known(options?: InventoryOptions): AsyncGenerator<KnownEntry> {
    for await (const entry of this.inventory(options)) yield asKnown(entry);
  }

  async knownOf(id: InstanceId): Promise<KnownEntry | undefined> {
    const [entry] = await this.lookup(id);
    return entry && asKnown(entry);
  }
}

function asKnown(entry: InventoryEntry): KnownEntry {
  return { ...entry, standing: 'held', versions: entry.md5 === undefined ? [] : [entry.md5], isForeign: false };
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}
