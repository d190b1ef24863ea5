/** The bucket of a hospital: its state is really there, and its instances are listed from what was archived. */
import type { CallOptions } from '../../../core/call-options.ts';
import { throwIfAborted } from '../../../core/stores/aborted.ts';
import type {
  GetOptions,
  ListOptions,
  ObjectEntry,
  OpenObject,
  PutOptions,
} from '../../../core/stores/archive/object-storage.ts';
import type { InstanceBytes } from '../../../core/stores/store.ts';
import { MemoryObjects } from '../memory-objects.ts';
import type { SimulatedClock } from '../simulated-clock.ts';
import type { HospitalInstances } from './hospital-instances.ts';

const instancesPrefix = 'instances/';
const keysPerListing = 1000;
/** What a comparison takes us for an instance, in ms of a function of 1 GiB; measured, see `bench/compare.ts`. */
const compareEach = 25e-3;
/** Bytes that a function of 1 GiB moves in a millisecond, about. */
const bytesPerMs = 80_000;

export interface HospitalBucketOptions {
  readonly time: SimulatedClock;
  readonly instances: HospitalInstances;
  readonly scale: number;
  /** What a request takes. */
  readonly requestMs: number;
}

export class HospitalBucket extends MemoryObjects {
  /** Requests by the price that they have: those that list or write, and those that read. */
  readonly requests = { list: 0, put: 0, get: 0 };
  readonly #held: Uint8Array;
  readonly #options: HospitalBucketOptions;
  readonly #written = new Date('2026-11-01T00:00:00Z');

  constructor(options: HospitalBucketOptions) {
    super({ now: () => options.time.nowMs() });
    this.#options = options;
    this.#held = new Uint8Array(options.instances.capacity);
  }

  holds(n: number): boolean {
    return this.#held[n] === 1;
  }

  archive(n: number): void {
    this.#held[n] = 1;
  }

  /** Loses what is remembered of the servers. */
  forgetInventories(): void {
    for (const key of this.stored.keys()) if (key.startsWith('state/inventory/')) this.stored.delete(key);
  }

  override async get(key: string, options: GetOptions = {}): Promise<OpenObject | undefined> {
    const found = await super.get(key, options);
    await this.#request('get', this.#scaled(key, found?.bodyBytes ?? 0), options.signal);
    return found;
  }

  override async head(key: string, options: CallOptions = {}): Promise<ObjectEntry | undefined> {
    await this.#request('get', 0, options.signal);
    return super.head(key, options);
  }

  override async putOnce(key: string, bytes: InstanceBytes, options: PutOptions): Promise<'created' | 'exists'> {
    await this.#request('put', options.sizeBytes, options.signal);
    return super.putOnce(key, bytes, options);
  }

  override async replaceIf(
    key: string,
    bytes: Uint8Array,
    expectedEtag: string | null,
    options: CallOptions = {},
  ): Promise<{ readonly etag: string } | 'changed'> {
    await this.#request('put', this.#scaled(key, bytes.length), options.signal);
    return super.replaceIf(key, bytes, expectedEtag, options);
  }

  override async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectEntry> {
    if (prefix === instancesPrefix) {
      yield* this.#listInstances(options);
      return;
    }
    await this.#request('list', 0, options.signal);
    yield* super.list(prefix, options);
  }

  async *#listInstances({ after, signal }: ListOptions): AsyncGenerator<ObjectEntry> {
    const { instances, scale } = this.#options;
    const perPage = Math.max(1, Math.round(keysPerListing / scale));
    let onPage = 0;
    for (
      let place = instances.placeBehind(after?.slice(instancesPrefix.length));
      place < instances.capacity;
      place += 1
    ) {
      const n = instances.at(place);
      if (!this.holds(n)) continue;
      if (onPage % perPage === 0) {
        await this.#request('list', 0, signal);
        await this.#options.time.wait(perPage * scale * compareEach, signal);
        throwIfAborted(signal);
      }
      onPage += 1;
      const md5 = instances.md5Of(n);
      const key = `${instancesPrefix}${instances.idOf(n)}/${md5}.dcm`;
      yield { key, sizeBytes: 524_288, lastModified: this.#written, etag: `"${md5}"` };
    }
    await this.#request('list', 0, signal);
  }

  /** Rows of an inventory are as many as there would be. */
  #scaled(key: string, bytes: number): number {
    return key.endsWith('.rows') ? bytes * this.#options.scale : bytes;
  }

  async #request(kind: 'list' | 'put' | 'get', bytes: number, signal: AbortSignal | undefined): Promise<void> {
    this.requests[kind] += 1;
    await this.#options.time.wait(this.#options.requestMs + bytes / bytesPerMs, signal);
    throwIfAborted(signal);
  }
}
