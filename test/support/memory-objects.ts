/**
 * Objects in memory that keep the contract of an archive's place, with a clock of their own: what a bucket or a folder is to
 * a test of many histories.
 */

import type { CallOptions } from '../../core/call-options.ts';
import { MirrorError } from '../../core/errors.ts';
import { type Md5, md5Of } from '../../core/identifiers.ts';
import { throwIfAborted } from '../../core/stores/aborted.ts';
import { checkKey } from '../../core/stores/archive/key-check.ts';
import { compareKeys } from '../../core/stores/archive/key-order.ts';
import type {
  GetOptions,
  ListOptions,
  ObjectEntry,
  ObjectStorage,
  OpenObject,
  PutOptions,
} from '../../core/stores/archive/object-storage.ts';
import { collectVerified } from '../../core/stores/archive/verified-body.ts';
import type { InstanceBytes } from '../../core/stores/store.ts';

interface StoredObject {
  readonly bytes: Uint8Array;
  readonly atMs: number;
  readonly etag: string;
}

export interface MemoryObjectsOptions {
  readonly now?: () => number;
  /** A bucket tells times in whole seconds, a folder in milliseconds. */
  readonly resolutionMs?: number;
}

export class MemoryObjects implements ObjectStorage {
  readonly name = 'memory';
  readonly stored = new Map<string, StoredObject>();
  /** How often each call was made; a listing counts once for each thousand keys, as in S3. */
  readonly calls = { putOnce: 0, get: 0, head: 0, list: 0, replaceIf: 0, supersede: 0, delete: 0 };
  readonly #now: () => number;
  readonly #resolutionMs: number;
  #writes = 0;

  constructor({ now = Date.now, resolutionMs = 1 }: MemoryObjectsOptions = {}) {
    this.#now = now;
    this.#resolutionMs = resolutionMs;
  }

  async prepare(): Promise<void> {}

  async anchor(): Promise<void> {}

  async putOnce(key: string, bytes: InstanceBytes, options: PutOptions): Promise<'created' | 'exists'> {
    this.calls.putOnce += 1;
    checkKey(key);
    const whole = Uint8Array.from(await collectVerified(bytes, options));
    throwIfAborted(options.signal);
    if (this.stored.has(key)) return 'exists';
    this.#write(key, whole);
    return 'created';
  }

  async get(key: string, { range, signal }: GetOptions = {}): Promise<OpenObject | undefined> {
    this.calls.get += 1;
    checkKey(key);
    throwIfAborted(signal);
    const found = this.stored.get(key);
    if (found === undefined) return undefined;
    const part = range === undefined ? found.bytes : found.bytes.subarray(range.first, range.last + 1);
    async function* body(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < part.length; at += 65_536) {
        throwIfAborted(signal);
        yield part.subarray(at, at + 65_536);
      }
    }
    return { ...this.#entry(key, found), bodyBytes: part.length, body: body(), cancel: () => undefined };
  }

  async head(key: string, { signal }: CallOptions = {}): Promise<ObjectEntry | undefined> {
    this.calls.head += 1;
    checkKey(key);
    throwIfAborted(signal);
    const found = this.stored.get(key);
    return found && this.#entry(key, found);
  }

  async *list(prefix: string, { after, signal }: ListOptions = {}): AsyncGenerator<ObjectEntry> {
    throwIfAborted(signal);
    const keys = [...this.stored.keys()].filter((key) => key.startsWith(prefix)).toSorted(compareKeys);
    this.calls.list += Math.max(1, Math.ceil(keys.length / 1000));
    for (const key of keys) {
      throwIfAborted(signal);
      const found = this.stored.get(key);
      if (found !== undefined && (after === undefined || compareKeys(key, after) > 0)) yield this.#entry(key, found);
    }
  }

  async *listFolders(prefix: string, { after, signal }: ListOptions = {}): AsyncGenerator<string> {
    const folders = new Set<string>();
    for await (const { key } of this.list(prefix, { signal })) {
      const end = key.indexOf('/', prefix.length);
      if (end >= 0) folders.add(key.slice(0, end + 1));
    }
    for (const folder of folders) if (after === undefined || compareKeys(folder, after) > 0) yield folder;
  }

  async replaceIf(
    key: string,
    bytes: Uint8Array,
    expectedEtag: string | null,
    { signal }: CallOptions = {},
  ): Promise<{ readonly etag: string } | 'changed'> {
    this.calls.replaceIf += 1;
    checkKey(key);
    throwIfAborted(signal);
    return (this.stored.get(key)?.etag ?? null) === expectedEtag
      ? { etag: this.#write(key, Uint8Array.from(bytes)).etag }
      : 'changed';
  }

  async supersede(key: string, bytes: InstanceBytes, options: PutOptions & { readonly md5: Md5 }): Promise<void> {
    this.calls.supersede += 1;
    this.#write(key, Uint8Array.from(await collectVerified(bytes, options)));
  }

  async setAside(key: string, options: CallOptions = {}): Promise<void> {
    const found = this.stored.get(key);
    if (found !== undefined) this.stored.set(`superseded/${key}.${found.etag}`, found);
    await this.delete(key, options);
  }

  async delete(key: string, { signal }: CallOptions = {}): Promise<void> {
    this.calls.delete += 1;
    throwIfAborted(signal);
    this.stored.delete(key);
  }

  async close(): Promise<void> {}

  /** What `cp -r`, or copying a bucket, does: the same objects, with times of now. @returns the copy */
  copyTo<Copy extends MemoryObjects>(copy: Copy): Copy {
    for (const [key, { bytes }] of this.stored) copy.#write(key, bytes);
    return copy;
  }

  /** Gives every object another time. */
  scramble(timeOf: (key: string) => number): void {
    for (const [key, found] of this.stored) this.stored.set(key, { ...found, atMs: timeOf(key) });
  }

  #write(key: string, bytes: Uint8Array): StoredObject {
    this.#writes += 1;
    const stored = { bytes, atMs: this.#now(), etag: `"${this.#writes}-${md5Of(bytes)}"` };
    this.stored.set(key, stored);
    return stored;
  }

  #entry(key: string, { bytes, atMs, etag }: StoredObject): ObjectEntry {
    if (!Number.isFinite(atMs)) throw new MirrorError('answer-malformed', 'an object without a time');
    const lastModified = new Date(Math.floor(atMs / this.#resolutionMs) * this.#resolutionMs);
    return { key, sizeBytes: bytes.length, lastModified, etag };
  }
}
