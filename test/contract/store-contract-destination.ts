/** The part of the contract of `core/stores/store.ts` that only stores that are written to must keep. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';
import type { DestinationStore, InstanceIdentity } from '../../core/stores/store.ts';
import {
  type DestinationSetup,
  errorOf,
  inventoryOf,
  makeSamples,
  type OpenedStore,
  readBack,
  type SampleInstance,
} from './store-contract-setup.ts';

const chunkBytes = 64 * 1024;

/** Defines the tests of writing for one kind of store; called by `describeStoreContract`. */
export function describeDestinationContract(name: string, setup: DestinationSetup): void {
  describe(`${name}, as a destination`, () => {
    let opened: OpenedStore<DestinationStore>;
    beforeEach(async () => {
      opened = await setup.open();
    });
    afterEach(async () => {
      await opened.close();
    });
    const store = (): DestinationStore => opened.store;
    const large = setup.largeBytes ?? 12 * 1024 * 1024;
    describeWriting(setup, store, large);
    describeBrokenBodies(setup, store, large);
    describeOtherVersions(setup, store);
  });
}

function describeWriting(setup: DestinationSetup, store: () => DestinationStore, largeBytes: number): void {
  it.each([
    ['from memory', (sample: SampleInstance) => sample.bytes],
    ['from a stream', (sample: SampleInstance) => chunksOf(sample.bytes)],
  ])('stores instances %s and reads them back', async (_, bodyOf) => {
    for (const sizeBytes of [1024, 300_000, largeBytes]) {
      const sample = await setup.makeSample(sizeBytes);
      expect(await store().store(identityOf(sample), bodyOf(sample))).toEqual({ kind: 'stored' });
      expect(await readBack(store(), sample)).toEqual({ md5: sample.md5, sizeBytes: sample.bytes.length });
    }
    expect(await inventoryOf(store())).toHaveLength(3);
  });

  it.each([1024, largeBytes])('says that it held an instance of %i bytes before', async (sizeBytes) => {
    const sample = await setup.makeSample(sizeBytes);
    await store().store(identityOf(sample), sample.bytes);
    expect(await store().store(identityOf(sample), sample.bytes)).toEqual({ kind: 'already-equal' });
    expect(await store().store(identityOf(sample), chunksOf(sample.bytes))).toEqual({ kind: 'already-equal' });
    expect(await inventoryOf(store())).toHaveLength(1);
  });

  it('stores several instances at once', async () => {
    const samples = await makeSamples(setup, 8, 100_000);
    const outcomes = await Promise.all(
      samples.map((sample) => store().store(identityOf(sample), chunksOf(sample.bytes))),
    );
    expect(outcomes).toEqual(samples.map(() => ({ kind: 'stored' })));
    expect((await inventoryOf(store())).map(({ md5 }) => md5)).toHaveLength(samples.length);
  });

  it('holds one instance after it was stored several times at once', async () => {
    const sample = await setup.makeSample(100_000);
    const attempts = Array.from({ length: 4 }, () => store().store(identityOf(sample), sample.bytes));
    const results = await Promise.allSettled(attempts);
    // A server may ask the losers to come again (409 while the same instance is being stored).
    for (const result of results) {
      if (result.status === 'rejected') {
        expect(result.reason).toMatchObject({ disposition: 'retry' });
      }
    }
    expect(results.some((result) => result.status === 'fulfilled' && result.value.kind === 'stored')).toBe(true);
    expect(await inventoryOf(store())).toHaveLength(1);
    expect((await readBack(store(), sample)).md5).toBe(sample.md5);
  });
}

function describeBrokenBodies(setup: DestinationSetup, store: () => DestinationStore, largeBytes: number): void {
  describe.each([1024, 300_000, largeBytes])('an instance of %i bytes', (sizeBytes) => {
    it('is not there after its body broke, and can be stored then', async () => {
      const sample = await setup.makeSample(sizeBytes);
      const error = await errorOf(store().store(identityOf(sample), brokenAfter(sample.bytes, sizeBytes - 10)));
      expect(error).toBeInstanceOf(Error);
      await expectAbsent(store(), sample);
      expect(await store().store(identityOf(sample), chunksOf(sample.bytes))).toEqual({ kind: 'stored' });
    });

    it('is not there after its body ended early', async () => {
      const sample = await setup.makeSample(sizeBytes);
      const cut = sample.bytes.subarray(0, sample.bytes.length - 10);
      expect(await errorOf(store().store(identityOf(sample), chunksOf(cut)))).toMatchObject({ code: 'body-short' });
      await expectAbsent(store(), sample);
    });

    it('is not there after the writer was aborted', async () => {
      const sample = await setup.makeSample(sizeBytes);
      const aborter = new AbortController();
      const { signal } = aborter;
      const body = abortingAfter(sample.bytes, sizeBytes / 2, aborter);
      expect(await errorOf(store().store(identityOf(sample), body, { signal }))).toBeInstanceOf(Error);
      await expectAbsent(store(), sample);
    });
  });

  it('does not begin to write when aborted', async () => {
    const sample = await setup.makeSample(1024);
    const signal = AbortSignal.abort();
    expect(await errorOf(store().store(identityOf(sample), sample.bytes, { signal }))).toBeInstanceOf(Error);
    await expectAbsent(store(), sample);
  });

  it.for(setup.verifiesBody ? [1024, largeBytes] : [])('refuses %i other bytes', async (sizeBytes) => {
    const sample = await setup.makeSample(sizeBytes);
    const flipped = Uint8Array.from(sample.bytes);
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
    for (const body of [flipped, chunksOf(flipped)]) {
      expect(await errorOf(store().store(identityOf(sample), body))).toMatchObject({ code: 'hash-mismatch' });
      await expectAbsent(store(), sample);
    }
  });
}

function describeOtherVersions(setup: DestinationSetup, store: () => DestinationStore): void {
  const storeBoth = async (): Promise<[SampleInstance, SampleInstance]> => {
    const first = await setup.makeSample(4096);
    const second = await setup.makeOtherVersion(first);
    expect(second.id).toBe(first.id);
    await store().store(identityOf(first), first.bytes);
    const outcome = await store().store(identityOf(second), second.bytes);
    expect(outcome.kind).toBe(setup.otherVersion === 'conflict' ? 'conflict' : 'stored');
    return [first, second];
  };

  const keepsItsOwn = async () => {
    const [first] = await storeBoth();
    expect(await store().lookup(first.id)).toMatchObject([{ md5: first.md5 }]);
    expect((await readBack(store(), first)).md5).toBe(first.md5);
  };

  const keepsBoth = async () => {
    const versions = await storeBoth();
    const [first, second] = versions;
    await expectListed(second);
    for (const version of versions) {
      expect((await readBack(store(), version)).md5).toBe(version.md5);
    }
    // What is stored again counts again, although it was there.
    expect(await store().store(identityOf(first), first.bytes)).toEqual({ kind: 'stored' });
    await expectListed(first);
    expect(await store().store(identityOf(first), first.bytes)).toEqual({ kind: 'already-equal' });
  };

  const expectListed = async ({ id, md5 }: SampleInstance) => {
    expect(await store().lookup(id)).toMatchObject([{ id, md5 }]);
    expect(await inventoryOf(store())).toMatchObject([{ id, md5 }]);
    const opened = await store().open(id);
    opened.cancel();
    expect([md5, undefined]).toContain(opened.md5);
  };

  if (setup.otherVersion === 'conflict') it('keeps what it holds and reports the conflict', keepsItsOwn);
  else it('keeps both versions of an instance, and lists the one that was stored last', keepsBoth);
}

/** @returns what a destination is told about a sample. */
export function identityOf({ id, md5, bytes }: SampleInstance): InstanceIdentity {
  expect(md5).toBe(md5Of(bytes));
  return { id, md5, sizeBytes: bytes.length };
}

async function expectAbsent(store: DestinationStore, sample: SampleInstance): Promise<void> {
  expect(await store.lookup(sample.id)).toEqual([]);
  expect(await inventoryOf(store)).toEqual([]);
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += chunkBytes) {
    yield bytes.subarray(offset, offset + chunkBytes);
  }
}

async function* brokenAfter(bytes: Uint8Array, sizeBytes: number): AsyncGenerator<Uint8Array> {
  yield* chunksOf(bytes.subarray(0, sizeBytes));
  throw new Error('the source broke');
}

async function* abortingAfter(
  bytes: Uint8Array,
  sizeBytes: number,
  aborter: AbortController,
): AsyncGenerator<Uint8Array> {
  const end = Math.floor(sizeBytes);
  yield* chunksOf(bytes.subarray(0, end));
  aborter.abort();
  yield* chunksOf(bytes.subarray(end));
}
