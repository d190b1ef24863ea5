/** Reads instances back and hashes them: a listing proves the index of a store, this proves its disk. */
import { createHash } from 'node:crypto';
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { Md5 } from '../../identifiers.ts';
import type { InventoryEntry, Store } from '../../stores/store.ts';
import { mapInOrder } from '../../streams/in-parallel.ts';
import { type RangeOptions, rangeOf } from './subset.ts';

/** What reading one version of one instance back showed. */
export type Verified = InventoryEntry &
  /** `sizeBytes` as it was read, also where the listing tells none. */
  (
    | { readonly kind: 'sound'; readonly sizeBytes: number }
    /** The store delivers other bytes than it promises, or cannot deliver them. */
    | { readonly kind: 'damaged'; readonly error: MirrorError; readonly actualMd5: Md5 | undefined }
    /** It was deleted since it was listed. */
    | { readonly kind: 'vanished' }
    /** It could not be read for a reason that says nothing of the bytes; nothing is proven. */
    | { readonly kind: 'unverified'; readonly error: MirrorError }
  );

export interface VerifyOptions extends CallOptions, RangeOptions {
  /** Instances read at once; default 4. */
  readonly atOnce?: number;
}

/**
 * Reads back every instance of a store, or a subset, in order of id; never stops at a problem. Throws only if the
 * inventory cannot be listed, or when the signal aborts.
 */
export function verifyStore(store: Store, options: VerifyOptions = {}): AsyncGenerator<Verified> {
  return mapInOrder(wanted(store, options), options.atOnce ?? 4, (entry) =>
    verifyInstance(store, entry, options.signal),
  );
}

async function* wanted(store: Store, { signal, ...options }: VerifyOptions): AsyncGenerator<InventoryEntry> {
  const range = rangeOf(options);
  for await (const entry of store.inventory({ after: range.after, signal })) {
    if (range.isBehind(entry.id)) return;
    if (range.includes(entry.id)) yield entry;
  }
}

/**
 * Reads one instance back. A damaged reading is repeated once, because the way here may be what is at fault; a store
 * that says by itself that it has lost the file was asked several times already.
 */
async function verifyInstance(store: Store, entry: InventoryEntry, signal?: AbortSignal): Promise<Verified> {
  const first = await readBack(store, entry, signal);
  const isLost = first.kind === 'damaged' && first.error.code === 'source-corrupt' && first.actualMd5 === undefined;
  const isDecided = first.kind === 'sound' || first.kind === 'vanished' || isLost;
  return isDecided ? first : readBack(store, entry, signal);
}

async function readBack(store: Store, entry: InventoryEntry, signal: AbortSignal | undefined): Promise<Verified> {
  try {
    const opened = await store.open(entry.id, { md5: entry.md5, signal });
    try {
      const hash = createHash('md5');
      let sizeBytes = 0;
      for await (const chunk of opened.body) {
        hash.update(chunk);
        sizeBytes += chunk.byteLength;
      }
      return judge(store, { ...entry, md5: entry.md5 ?? opened.md5 }, hash.digest('hex') as Md5, sizeBytes);
    } finally {
      opened.cancel();
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (!isMirrorError(error)) throw error;
    if (error.code === 'vanished') return { ...entry, kind: 'vanished' };
    if (error.code === 'source-corrupt' || error.code === 'body-short' || error.code === 'hash-mismatch') {
      return { ...entry, kind: 'damaged', error, actualMd5: undefined };
    }
    return { ...entry, kind: 'unverified', error };
  }
}

function judge(store: Store, entry: InventoryEntry, actualMd5: Md5, sizeBytes: number): Verified {
  if (entry.md5 === undefined) {
    const error = new MirrorError(
      'source-corrupt',
      `${store.name} keeps no hash of instance ${entry.id}, so reading it proves nothing; set StoreMD5ForAttachments`,
    );
    return { ...entry, kind: 'unverified', error };
  }
  if (actualMd5 === entry.md5) return { ...entry, kind: 'sound', sizeBytes };
  const error = new MirrorError(
    'source-corrupt',
    `${store.name} delivers ${sizeBytes} bytes with MD5 ${actualMd5} for instance ${entry.id}, promised is ${entry.md5}`,
  );
  return { ...entry, kind: 'damaged', error, actualMd5 };
}
