/** A large instance on its way to several destinations: none of them sees the end of what is wrong. */
import { describe, expect, test, vi } from 'vitest';
import { Branch } from '../../core/copy/branch.ts';
import { pumpVerified } from '../../core/copy/pump.ts';
import { assertVerified } from '../../core/copy/read-verified.ts';
import { MirrorError } from '../../core/errors.ts';
import { md5Of } from '../../core/identifiers.ts';
import { sampleBytes, sampleId } from '../support/memory-store.ts';

const id = sampleId(1);
const bytes = sampleBytes(1, 1000);
const identity = { id, md5: md5Of(bytes), sizeBytes: bytes.length };

async function* inChunks(whole: Uint8Array, size: number, end?: Error): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < whole.length; at += size) {
    yield whole.subarray(at, at + size);
    yield new Uint8Array();
  }
  if (end !== undefined) throw end;
}

/** Pumps a body to two readers. @returns what each received, and how it ended */
async function pumped(body: AsyncIterable<Uint8Array>, idIsProven = true) {
  const branches = [new Branch(), new Branch()];
  const cancel = vi.fn();
  const pumping = pumpVerified({ ...identity, idIsProven, body, cancel }, identity, 'source', branches);
  const received = await Promise.all(
    branches.map(async (branch) => {
      const chunks: Uint8Array[] = [];
      let error: unknown;
      try {
        for await (const chunk of branch) chunks.push(Uint8Array.from(chunk));
      } catch (thrown) {
        error = thrown;
      }
      return { bytes: Buffer.concat(chunks), error };
    }),
  );
  await pumping;
  expect(cancel).toHaveBeenCalledOnce();
  return received;
}

test.each([1, 300, 1000, 2000])('right bytes in chunks of %i reach every destination whole', async (size) => {
  for (const { bytes: got, error } of await pumped(inChunks(bytes, size))) {
    expect([md5Of(got), error]).toEqual([identity.md5, undefined]);
  }
});

const damaged = Uint8Array.from(bytes);
damaged[0] = (damaged[0] ?? 0) ^ 1;
const broken = new MirrorError('body-short', 'the source broke off');

describe.each([1, 300, 1000])('in chunks of %i', (size) => {
  test.each<[string, Uint8Array, Error | undefined, string]>([
    ['are damaged', damaged, undefined, 'hash-mismatch'],
    ['are too few', bytes.subarray(1), undefined, 'body-short'],
    ['are too many', Buffer.concat([bytes, bytes]), undefined, 'body-short'],
    ['break off', bytes, broken, 'body-short'],
  ])('bytes that %s reach nobody to their end, and everybody is told', async (_, sent, end, code) => {
    for (const { bytes: got, error } of await pumped(inChunks(sent, size, end))) {
      expect(error).toMatchObject({ code });
      expect(got.length).toBeLessThan(sent.length);
    }
  });
});

test('bytes that are no such instance are nowhere complete', async () => {
  for (const { bytes: got, error } of await pumped(inChunks(bytes, 300), false)) {
    expect(error).toMatchObject({ code: 'not-dicom' });
    expect(got.length).toBeLessThan(bytes.length);
  }
});

test('a source is left when nobody reads any more', async () => {
  let read = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      read += 1;
      yield Buffer.alloc(10);
    }
  }
  const branch = new Branch();
  const opened = { ...identity, idIsProven: true, body: endless(), cancel: () => undefined };
  const pumping = pumpVerified(opened, identity, 'source', [branch]);
  for await (const _ of branch) break;
  await pumping;
  expect(read).toBeLessThan(5);
});

test.each([
  ['fewer bytes', { md5: identity.md5, sizeBytes: 999 }, 'body-short'],
  ['more bytes', { md5: identity.md5, sizeBytes: 1001 }, 'body-short'],
  ['other bytes', { md5: md5Of(damaged), sizeBytes: 1000 }, 'hash-mismatch'],
])('%s than were announced are not verified', (_, received, code) => {
  expect(() => assertVerified(identity, received, 'source')).toThrow(expect.objectContaining({ code }));
});

test('of a source that tells no hash the size alone is held against it', () => {
  const untold = { id, md5: undefined, sizeBytes: 1000 };
  assertVerified(untold, { md5: md5Of(damaged), sizeBytes: 1000 }, 'source');
  expect(() => assertVerified(untold, { md5: identity.md5, sizeBytes: 999 }, 'source')).toThrow(MirrorError);
});
