/** The contract of `core/stores/archive/object-storage.ts` as tests, for a folder and for S3 of any endpoint. */
import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MirrorError } from '../../core/errors.ts';
import { md5Of } from '../../core/identifiers.ts';
import type { ObjectStorage } from '../../core/stores/archive/object-storage.ts';
import { errorOf } from './store-contract-setup.ts';

/** A storage under test, empty when opened. */
export interface OpenedObjects {
  readonly objects: ObjectStorage;
  /** Opens the same place once more, as another process would; the suite closes it. */
  openAgain(): ObjectStorage;
  /** Counts what an interrupted write left behind: temporary files, unfinished uploads. */
  countLeftovers(): Promise<number>;
  /** Closes the storage and removes what it held. */
  close(): Promise<void>;
}

const small = 10 * 1024;
/** What S3 takes in three parts, the last of them smaller. */
const largeByDefault = 20 * 1024 * 1024;

/** Defines the tests of the contract for one kind of object storage. */
export function describeObjectStorageContract(
  name: string,
  open: () => Promise<OpenedObjects>,
  { largeBytes: large = largeByDefault }: { readonly largeBytes?: number } = {},
): void {
  describe(`${name}, as object storage`, () => {
    let opened: OpenedObjects;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(async () => {
      await opened.close();
    });
    const current = (): OpenedObjects => opened;
    describePuts(current, large);
    describeBrokenPuts(current, large);
    describeReads(current);
    describeListings(current);
    describeState(current);
  });
}

function describePuts(opened: () => OpenedObjects, large: number): void {
  it.each([0, 1, small, large])('keeps %i bytes, given in memory or as a stream', async (sizeBytes) => {
    const { objects } = opened();
    const bytes = randomBytes(sizeBytes);
    const options = { sizeBytes, md5: md5Of(bytes), contentType: 'application/dicom' };
    expect(await objects.putOnce('a/memory', bytes, options)).toBe('created');
    expect(await objects.putOnce('a/stream', chunksOf(bytes), options)).toBe('created');
    for (const key of ['a/memory', 'a/stream']) {
      expect(md5Of(await bytesAt(objects, key))).toBe(options.md5);
      expect(await objects.head(key)).toMatchObject({ key, sizeBytes });
    }
    expect(await opened().countLeftovers()).toBe(0);
  });

  it.each([small, large])('never overwrites an object, at %i bytes', async (sizeBytes) => {
    const { objects } = opened();
    const first = randomBytes(sizeBytes);
    await objects.putOnce('once', first, { sizeBytes });
    const second = randomBytes(sizeBytes);
    expect(await objects.putOnce('once', second, { sizeBytes })).toBe('exists');
    expect(await objects.putOnce('once', chunksOf(second), { sizeBytes })).toBe('exists');
    expect(md5Of(await bytesAt(objects, 'once'))).toBe(md5Of(first));
    expect(await opened().countLeftovers()).toBe(0);
  });

  it.each([
    [50, small],
    [4, Math.min(large, 12 * 1024 * 1024)],
  ])('lets one of %i simultaneous writers of %i bytes create an object', async (writers, sizeBytes) => {
    const { objects } = opened();
    const contents = Array.from({ length: writers }, () => randomBytes(sizeBytes));
    const results = await Promise.allSettled(
      contents.map((bytes) => objects.putOnce('raced', chunksOf(bytes), { sizeBytes, md5: md5Of(bytes) })),
    );
    const created = contents.filter((_, index) => isFulfilledWith(results[index], 'created'));
    const others = results.filter((result) => !isFulfilledWith(result, 'created'));
    expect(created).toHaveLength(1);
    // S3 may answer a simultaneous write with a conflict, which is to be repeated.
    expect(others.every((result) => isFulfilledWith(result, 'exists') || isBusy(result))).toBe(true);
    expect(md5Of(await bytesAt(objects, 'raced'))).toBe(md5Of(created[0] ?? Buffer.alloc(0)));
    expect(await opened().countLeftovers()).toBe(0);
  });

  it('refuses keys that lead out of the storage', async () => {
    for (const key of ['../outside', 'a/../../outside', '/absolute', 'a//b', '', 'a/', './a', 'a\\b', 'a\0b']) {
      const error = await errorOf(opened().objects.putOnce(key, Buffer.from('x'), { sizeBytes: 1 }));
      expect(error).toMatchObject({ code: 'configuration' });
    }
  });
}

function describeBrokenPuts(opened: () => OpenedObjects, large: number): void {
  const expectNothing = async () => {
    expect(await opened().objects.head('broken')).toBeUndefined();
    expect(await Array.fromAsync(opened().objects.list(''))).toEqual([]);
    expect(await opened().countLeftovers()).toBe(0);
  };

  describe.each([small, large])('a body of %i bytes', (sizeBytes) => {
    const bytes = randomBytes(sizeBytes);
    const options = { sizeBytes, md5: md5Of(bytes) };

    it('that is cut never becomes an object', async () => {
      for (const cut of [0, sizeBytes / 2, sizeBytes - 1]) {
        const body = chunksOf(bytes.subarray(0, cut));
        expect(await errorOf(opened().objects.putOnce('broken', body, options))).toMatchObject({ code: 'body-short' });
      }
      await expectNothing();
    });

    it('that is corrupted never becomes an object', async () => {
      for (const position of [0, sizeBytes - 1]) {
        const corrupted = Buffer.from(bytes);
        corrupted.writeUInt8(corrupted.readUInt8(position) ^ 1, position);
        for (const body of [corrupted, chunksOf(corrupted)]) {
          const error = await errorOf(opened().objects.putOnce('broken', body, options));
          expect(error).toMatchObject({ code: 'hash-mismatch' });
        }
      }
      await expectNothing();
    });

    it('that is too long never becomes an object', async () => {
      const body = chunksOf(Buffer.concat([bytes, Buffer.from('x')]));
      expect(await errorOf(opened().objects.putOnce('broken', body, options))).toMatchObject({ code: 'hash-mismatch' });
      await expectNothing();
    });

    it('that breaks never becomes an object, and its error is kept', async () => {
      const failure = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', syscall: 'read', errno: -104 });
      expect(await errorOf(opened().objects.putOnce('broken', brokenAfter(bytes, failure), options))).toBe(failure);
      await expectNothing();
    });

    it('that stalls is given up when the signal aborts', async () => {
      const aborter = new AbortController();
      const deadline = new MirrorError('deadline', 'the time is over');
      const body = stalledAfter(bytes.subarray(0, sizeBytes - 1), () => aborter.abort(deadline));
      const { signal } = aborter;
      expect(await errorOf(opened().objects.putOnce('broken', body, { ...options, signal }))).toBe(deadline);
      await expectNothing();
    });

    it('can be written after it failed', async () => {
      await errorOf(opened().objects.putOnce('again', chunksOf(bytes.subarray(1)), options));
      expect(await opened().objects.putOnce('again', chunksOf(bytes), options)).toBe('created');
      expect(md5Of(await bytesAt(opened().objects, 'again'))).toBe(options.md5);
    });
  });
}

function describeReads(opened: () => OpenedObjects): void {
  it('finds nothing under a key without an object', async () => {
    const { objects } = opened();
    await objects.putOnce('a/b', Buffer.from('x'), { sizeBytes: 1 });
    for (const key of ['a', 'a/b/c', 'absent']) {
      expect(await objects.get(key)).toBeUndefined();
      expect(await objects.head(key)).toBeUndefined();
    }
  });

  it('reads ranges', async () => {
    const { objects } = opened();
    await objects.putOnce('digits', Buffer.from('0123456789'), { sizeBytes: 10 });
    const read = async (first: number, last: number) => {
      const object = await objects.get('digits', { range: { first, last } });
      const bytes = Buffer.concat(await Array.fromAsync(object?.body ?? []));
      expect(object).toMatchObject({ sizeBytes: 10, bodyBytes: bytes.length });
      return bytes.toString();
    };
    expect(await read(0, 0)).toBe('0');
    expect(await read(3, 5)).toBe('345');
    expect(await read(8, 99)).toBe('89');
    expect(await read(10, 20)).toBe('');
  });

  it('tells the same of an object by reading, asking and listing', async () => {
    const { objects } = opened();
    // Clocks of storages differ a little from ours.
    const toleranceMs = 60_000;
    const before = Date.now() - toleranceMs;
    await objects.putOnce('told', Buffer.from('told'), { sizeBytes: 4 });
    const head = await objects.head('told');
    expect(head).toMatchObject({ key: 'told', sizeBytes: 4, etag: expect.stringMatching(/./) });
    const seconds = (date: Date | undefined) => Math.floor((date?.getTime() ?? 0) / 1000);
    expect(head?.lastModified.getTime()).toBeGreaterThanOrEqual(before);
    expect(head?.lastModified.getTime()).toBeLessThanOrEqual(Date.now() + toleranceMs);
    const read = await objects.get('told');
    read?.cancel();
    for (const other of [read, ...(await Array.fromAsync(objects.list('told')))]) {
      expect(other).toMatchObject({ key: 'told', sizeBytes: 4, etag: head?.etag });
      expect(seconds(other?.lastModified)).toBe(seconds(head?.lastModified));
    }
  });

  it('stops reading when the signal aborts', async () => {
    const { objects } = opened();
    await objects.putOnce('long', Buffer.alloc(largeByDefault), { sizeBytes: largeByDefault });
    const aborter = new AbortController();
    const object = await objects.get('long', { signal: aborter.signal });
    const read = async () => {
      for await (const _ of object?.body ?? []) {
        aborter.abort();
      }
    };
    expect(await errorOf(read())).toMatchObject({ code: 'interrupted' });
    object?.cancel();
  });

  it('does nothing for a caller that was aborted before', async () => {
    const { objects } = opened();
    const signal = AbortSignal.abort();
    const calls = [
      objects.get('a', { signal }),
      objects.head('a', { signal }),
      objects.putOnce('a', Buffer.from('a'), { sizeBytes: 1, signal }),
      objects.replaceIf('a', Buffer.from('a'), null, { signal }),
      objects.delete('a', { signal }),
      Array.fromAsync(objects.list('', { signal })),
      Array.fromAsync(objects.listFolders('', { signal })),
    ];
    for (const error of await Promise.all(calls.map(errorOf))) {
      expect(error).toMatchObject({ code: 'interrupted' });
    }
    expect(await Array.fromAsync(objects.list(''))).toEqual([]);
  });
}

function describeListings(opened: () => OpenedObjects): void {
  const keys = ['a', 'a-b/1', 'a.b', 'a/1', 'a/2/x', 'a/2/y', 'a/3', 'a0', 'b/é', 'b/ｚ', 'b/😀'];
  const putAll = async (all: readonly string[]) => {
    for (const key of all) {
      await opened().objects.putOnce(key, Buffer.from('x'), { sizeBytes: 1 });
    }
  };
  // A folder cannot hold both a file `a` and a folder `a`.
  const together = keys.filter((key) => key !== 'a');
  const listed = async (prefix: string, after?: string) =>
    (await Array.fromAsync(opened().objects.list(prefix, { after }))).map(({ key }) => key);

  it('lists keys in byte order, whatever the folders', async () => {
    await putAll(together.toReversed());
    expect(await listed('')).toEqual(together);
  });

  it('lists below a prefix and after a key', async () => {
    await putAll(together);
    expect(await listed('a/')).toEqual(['a/1', 'a/2/x', 'a/2/y', 'a/3']);
    expect(await listed('a/2')).toEqual(['a/2/x', 'a/2/y']);
    expect(await listed('a/2/y')).toEqual(['a/2/y']);
    expect(await listed('c')).toEqual([]);
    for (const after of ['', 'a', ...together, 'a/2', 'a/2/', 'a/2/xx', 'a/2/z', 'a/20', 'zzz']) {
      expect(await listed('', after)).toEqual(
        together.filter((key) => Buffer.compare(bytesOf(key), bytesOf(after)) > 0),
      );
    }
    expect(await listed('a/', 'a/2/x')).toEqual(['a/2/y', 'a/3']);
    expect(await listed('a/', 'a0')).toEqual([]);
  });

  it('lists folders', async () => {
    await putAll(together);
    const folders = (prefix: string, after?: string) =>
      Array.fromAsync(opened().objects.listFolders(prefix, { after }));
    expect(await folders('')).toEqual(['a-b/', 'a/', 'b/']);
    expect(await folders('', 'a-b/')).toEqual(['a/', 'b/']);
    expect(await folders('a/')).toEqual(['a/2/']);
    expect(await folders('absent/')).toEqual([]);
  });

  it('lists more than a page', async () => {
    const many = Array.from({ length: 1100 }, (_, index) => `many/${String(index).padStart(5, '0')}/x`);
    for (let start = 0; start < many.length; start += 20) {
      const puts = many.slice(start, start + 20).map((key) => putAll([key]));
      await Promise.all(puts);
    }
    expect(await listed('many/')).toEqual(many);
    expect(await listed('many/', many[1050])).toEqual(many.slice(1051));
    expect(await Array.fromAsync(opened().objects.listFolders('many/'))).toHaveLength(many.length);
  });
}

function describeState(opened: () => OpenedObjects): void {
  const text = (value: string) => Buffer.from(value);

  it('replaces a document only if it is the expected one', async () => {
    const { objects } = opened();
    const first = await objects.replaceIf('state/s.json', text('1'), null);
    expect(await objects.replaceIf('state/s.json', text('x'), null)).toBe('changed');
    const second = await objects.replaceIf('state/s.json', text('2'), etagOf(first));
    expect(await objects.replaceIf('state/s.json', text('x'), etagOf(first))).toBe('changed');
    expect((await bytesAt(objects, 'state/s.json')).toString()).toBe('2');
    expect((await objects.head('state/s.json'))?.etag).toBe(etagOf(second));
    const read = await objects.get('state/s.json');
    read?.cancel();
    expect(read?.etag).toBe(etagOf(second));
    expect(await objects.replaceIf('state/absent.json', text('x'), etagOf(second))).toBe('changed');
    expect(await objects.head('state/absent.json')).toBeUndefined();
  });

  it('lets exactly one of many simultaneous writers replace a document', async () => {
    const writers = [opened().objects, opened().openAgain(), opened().openAgain()];
    const replace = (index: number, round: number, etag: string | null) =>
      (writers[index % writers.length] ?? opened().objects).replaceIf('state/s.json', text(`${round}.${index}`), etag);
    let etag: string | null = null;
    for (let round = 0; round < 10; round += 1) {
      const attempts = Array.from({ length: 12 }, (_, index) => replace(index, round, etag));
      const outcomes: Awaited<ReturnType<typeof replace>>[] = await Promise.all(attempts);
      const winner = outcomes.findIndex((outcome) => outcome !== 'changed');
      expect(outcomes.filter((outcome) => outcome !== 'changed')).toHaveLength(1);
      etag = etagOf(outcomes[winner] ?? 'changed');
      expect((await bytesAt(opened().objects, 'state/s.json')).toString()).toBe(`${round}.${winner}`);
    }
    await Promise.all(writers.slice(1).map((writer) => writer.close()));
  });

  it('deletes, and may do so twice', async () => {
    const { objects } = opened();
    await objects.replaceIf('state/s.json', text('1'), null);
    await objects.delete('state/s.json');
    await objects.delete('state/s.json');
    expect(await objects.head('state/s.json')).toBeUndefined();
    expect(await objects.replaceIf('state/s.json', text('1'), null)).not.toBe('changed');
  });
}

function etagOf(outcome: { readonly etag: string } | 'changed'): string {
  return outcome === 'changed' ? expect.fail('was changed meanwhile') : outcome.etag;
}

function isFulfilledWith<T>(result: PromiseSettledResult<T> | undefined, value: T): boolean {
  return result?.status === 'fulfilled' && result.value === value;
}

function isBusy(result: PromiseSettledResult<unknown>): boolean {
  return result.status === 'rejected' && result.reason instanceof MirrorError && result.reason.code === 'busy';
}

async function bytesAt(objects: ObjectStorage, key: string): Promise<Buffer> {
  const object = await objects.get(key);
  return Buffer.concat(await Array.fromAsync(object?.body ?? expect.fail(`there is no object ${key}`)));
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text);
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += 100_000) {
    yield bytes.subarray(offset, offset + 100_000);
  }
}

async function* brokenAfter(bytes: Uint8Array, error: Error): AsyncGenerator<Uint8Array> {
  yield* chunksOf(bytes.subarray(0, bytes.length - 1));
  throw error;
}

async function* stalledAfter(bytes: Uint8Array, onStall: () => void): AsyncGenerator<Uint8Array> {
  yield* chunksOf(bytes);
  void setImmediate().then(onStall);
  await new Promise(() => undefined);
}
