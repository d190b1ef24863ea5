/** What a store must bring to be tested by `store-contract.ts`, and what its tests have in common. */
import { expect } from 'vitest';
import { type InstanceId, type Md5, md5Of } from '../../core/identifiers.ts';
import type { DestinationStore, InventoryEntry, InventoryOptions, Store } from '../../core/stores/store.ts';

/** A valid instance of the kind that the store accepts. */
export interface SampleInstance {
  readonly id: InstanceId;
  readonly md5: Md5;
  readonly bytes: Uint8Array;
}

/** A store under test, empty when opened. */
export interface OpenedStore<S extends Store> {
  readonly store: S;
  /** Puts instances into the store by another way than `store.store()`, as far as there is one. */
  seed(samples: readonly SampleInstance[]): Promise<void>;
  /** Closes the store and removes what it held. */
  close(): Promise<void>;
}

/** What every kind of store tells the suite. */
export interface CommonSetup {
  /**
   * Makes a new valid instance of about `sizeBytes` bytes (a DICOM file may need some more), with a new id each time.
   */
  makeSample(sizeBytes: number): SampleInstance | Promise<SampleInstance>;
  /** Whether inventories tell MD5 and size; otherwise only `lookup` must. Default true. */
  readonly inventoryTellsHashes?: boolean;
  /** How many instances make a listing of several pages. Default 25. */
  readonly manyInstances?: number;
  /** Size of the largest sample in bytes; take one that the store does not hold in one piece. Default 12 MiB. */
  readonly largeBytes?: number;
}

/** A store that is only read from. */
export interface ReadOnlySetup extends CommonSetup {
  /** Called before each test. */
  open(): Promise<OpenedStore<Store>>;
  readonly otherVersion?: never;
}

/** A store that is also written to. */
export interface DestinationSetup extends CommonSetup {
  /** Called before each test. */
  open(): Promise<OpenedStore<DestinationStore>>;
  /** Makes a valid instance with the id of `sample` and other bytes. */
  makeOtherVersion(sample: SampleInstance): SampleInstance | Promise<SampleInstance>;
  /** What the store does with other bytes under an id that it holds: keeps its own, or keeps both and lists the newer. */
  readonly otherVersion: 'conflict' | 'newer-counts';
  /** Whether the store itself notices a body of the right size whose MD5 is not the promised one. Default false. */
  readonly verifiesBody?: boolean;
}

/** @returns at least two new samples, as a tuple so that the first two can be named. */
export async function makeSamples(
  setup: Pick<CommonSetup, 'makeSample'>,
  count: number,
  sizeBytes: number,
): Promise<[SampleInstance, SampleInstance, ...SampleInstance[]]> {
  const [first, second] = [await setup.makeSample(sizeBytes), await setup.makeSample(sizeBytes)];
  const others: SampleInstance[] = [];
  while (others.length < count - 2) {
    others.push(await setup.makeSample(sizeBytes));
  }
  return [first, second, ...others];
}

/** @returns the whole inventory in memory. */
export function inventoryOf(store: Store, options?: InventoryOptions): Promise<InventoryEntry[]> {
  return Array.fromAsync(store.inventory(options));
}

/** Reads an instance, checks what `open` promised of it, and @returns what its bytes are. */
export async function readBack(store: Store, sample: SampleInstance): Promise<{ md5: Md5; sizeBytes: number }> {
  const instance = await store.open(sample.id, { md5: sample.md5 });
  expect(instance.id).toBe(sample.id);
  expect([sample.md5, undefined]).toContain(instance.md5);
  expect([sample.bytes.length, undefined]).toContain(instance.sizeBytes);
  const bytes = Buffer.concat(await Array.fromAsync(instance.body));
  return { md5: md5Of(bytes), sizeBytes: bytes.length };
}

/** @returns what a promise was rejected with; fails the test if it was fulfilled. */
export async function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail('should have thrown'),
    (error: unknown) => error,
  );
}
