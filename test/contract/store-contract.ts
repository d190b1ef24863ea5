/**
 * The contract of `core/stores/store.ts` as tests. Every store runs it:
 *
 *     describeStoreContract('an Orthanc server', { open, makeSample, makeOtherVersion, otherVersion: 'conflict' });
 *
 * A store that is only read from passes no `destination`-related option and gets the reading part only.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isMirrorError } from '../../core/errors.ts';
import { type InstanceId, isInstanceId } from '../../core/identifiers.ts';
import type { InventoryEntry, Store } from '../../core/stores/store.ts';
import { describeDestinationContract } from './store-contract-destination.ts';
import {
  type CommonSetup,
  type DestinationSetup,
  errorOf,
  inventoryOf,
  makeSamples,
  type OpenedStore,
  type ReadOnlySetup,
  readBack,
  type SampleInstance,
} from './store-contract-setup.ts';

/** Defines the tests of the contract for one kind of store. */
export function describeStoreContract(name: string, setup: ReadOnlySetup | DestinationSetup): void {
  describe(`${name}, as a store`, () => {
    let opened: OpenedStore<Store>;
    beforeEach(async () => {
      opened = await setup.open();
    });
    afterEach(async () => {
      await opened.close();
    });
    const current = (): OpenedStore<Store> => opened;
    describeInventory(setup, current);
    describeLookup(setup, current);
    describeOpen(setup, current);
    it('can be closed twice', async () => {
      await opened.store.close();
      await opened.store.close();
    });
  });
  if (setup.otherVersion !== undefined) {
    describeDestinationContract(name, setup);
  }
}

function describeInventory(setup: CommonSetup, opened: () => OpenedStore<Store>): void {
  const tellsHashes = setup.inventoryTellsHashes ?? true;
  const expectedEntry = ({ id, md5, bytes }: SampleInstance): InventoryEntry =>
    tellsHashes ? { id, md5, sizeBytes: bytes.length } : { id, md5: undefined, sizeBytes: undefined };

  it('lists nothing when it holds nothing', async () => {
    expect(await inventoryOf(opened().store)).toEqual([]);
  });

  it('lists every instance once, in ascending order of id', async () => {
    const samples = await makeSamples(setup, setup.manyInstances ?? 25, 1024);
    await opened().seed(samples);
    const inventory = await inventoryOf(opened().store);
    expect(inventory.map(({ id }) => id)).toEqual(samples.map(({ id }) => id).sort());
    expect(inventory).toMatchObject(inById(samples).map(expectedEntry));
  });

  it('resumes a listing after any id, held or not', async () => {
    const samples = inById(await makeSamples(setup, 5, 1024));
    await opened().seed(samples);
    const middle = at(samples, 2).id;
    const listAfter = async (after: InstanceId) => (await inventoryOf(opened().store, { after })).map(({ id }) => id);
    const expected = samples.slice(3).map(({ id }) => id);
    expect(await listAfter(middle)).toEqual(expected);
    expect(await listAfter(justBefore(at(samples, 3).id))).toEqual(expected);
    expect(await listAfter(at(samples, 4).id)).toEqual([]);
  });

  it('throws from a listing that is aborted instead of ending it', async () => {
    await opened().seed(await makeSamples(setup, 2, 1024));
    const error = await errorOf(inventoryOf(opened().store, { signal: AbortSignal.abort() }));
    expect(isMirrorError(error)).toBe(true);
  });

  it('can leave a listing before its end', async () => {
    const samples = inById(await makeSamples(setup, 3, 1024));
    await opened().seed(samples);
    for await (const entry of opened().store.inventory()) {
      expect(entry.id).toBe(at(samples, 0).id);
      break;
    }
    expect(await inventoryOf(opened().store)).toHaveLength(3);
  });
}

function describeLookup(setup: CommonSetup, opened: () => OpenedStore<Store>): void {
  it('looks up MD5 and size of an instance', async () => {
    const [sample, neighbour] = await makeSamples(setup, 2, 2048);
    await opened().seed([sample, neighbour]);
    expect(await opened().store.lookup(sample.id)).toMatchObject([
      { id: sample.id, md5: sample.md5, sizeBytes: sample.bytes.length },
    ]);
  });

  it('finds nothing under an id that it does not hold', async () => {
    const [held, absent] = await makeSamples(setup, 2, 1024);
    await opened().seed([held]);
    expect(await opened().store.lookup(absent.id)).toEqual([]);
  });
}

function describeOpen(setup: CommonSetup, opened: () => OpenedStore<Store>): void {
  for (const sizeBytes of [1024, setup.largeBytes ?? 12 * 1024 * 1024]) {
    it(`reads an instance of ${sizeBytes} bytes`, async () => {
      const sample = await setup.makeSample(sizeBytes);
      await opened().seed([sample]);
      expect(await readBack(opened().store, sample)).toEqual({ md5: sample.md5, sizeBytes: sample.bytes.length });
    });
  }

  it('says of an instance that it does not hold that it vanished', async () => {
    const error = await errorOf(opened().store.open((await setup.makeSample(1024)).id));
    expect(error).toMatchObject({ code: 'vanished', disposition: 'skip' });
  });

  it('reads several instances at once', async () => {
    const samples = await makeSamples(setup, 8, 100_000);
    await opened().seed(samples);
    const hashes = await Promise.all(samples.map(async (sample) => (await readBack(opened().store, sample)).md5));
    expect(hashes).toEqual(samples.map(({ md5 }) => md5));
  });

  it('goes on working after readers gave up, before, during and after reading', async () => {
    const sample = await setup.makeSample(setup.largeBytes ?? 12 * 1024 * 1024);
    await opened().seed([sample]);
    const { store } = opened();
    const unfinished = await store.open(sample.id);
    unfinished.cancel();
    unfinished.cancel();
    const begun = await store.open(sample.id);
    for await (const chunk of begun.body) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    begun.cancel();
    const finished = await store.open(sample.id);
    for await (const chunk of finished.body) {
      expect(chunk).toBeInstanceOf(Uint8Array);
    }
    finished.cancel();
    expect((await readBack(store, sample)).md5).toBe(sample.md5);
  });

  it('does not begin to read when aborted', async () => {
    const sample = await setup.makeSample(1024);
    await opened().seed([sample]);
    const error = await errorOf(opened().store.open(sample.id, { signal: AbortSignal.abort() }));
    expect(isMirrorError(error)).toBe(true);
  });
}

function inById(samples: readonly SampleInstance[]): SampleInstance[] {
  return samples.toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

function at(samples: readonly SampleInstance[], index: number): SampleInstance {
  const sample = samples[index];
  return sample ?? expect.fail(`there is no sample ${index}`);
}

/** @returns an id that sorts right before `id` and that nobody holds (the chance is 2^-150). */
function justBefore(id: InstanceId): InstanceId {
  const digits = BigInt(`0x${id.replaceAll('-', '')}`) - 1n;
  const groups = digits.toString(16).padStart(40, '0').match(/.{8}/g) ?? [];
  const before = groups.join('-');
  return isInstanceId(before) ? before : expect.fail('not an id');
}
