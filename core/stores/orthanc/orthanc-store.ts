/** An Orthanc server as a store: what the rest of the program uses of this folder. */

import type { CallOptions } from '../../call-options.ts';
import type { OrthancEncoding } from '../../dicom/charset.ts';
import { isMirrorError, type MirrorError } from '../../errors.ts';
import type { InstanceId } from '../../identifiers.ts';
import type { ChangePage } from '../change-feed.ts';
import type {
  DestinationStore,
  InstanceBytes,
  InstanceIdentity,
  InventoryEntry,
  InventoryOptions,
  OpenInstance,
  OpenOptions,
  Store,
  StoreOptions,
  StoreOutcome,
} from '../store.ts';
import type { Witness } from '../witness.ts';
import { type OrthancCapabilities, readCapabilities } from './capabilities.ts';
import { changePages, lastChange, type ReadChangesQuery, readChanges } from './change-feed.ts';
import type { OrthancConnection } from './connection.ts';
import { OrthancClient } from './http-client.ts';
import { IdCheck } from './id-check.ts';
import { countInstances } from './inventory-feed.ts';
import {
  type InventoryMemory,
  type InventorySizes,
  rememberedInventory,
  serverInventory,
  usualSizes,
} from './inventory-remembered.ts';
import { lookIntoBody } from './look-into-body.ts';
import { lookUpInstance } from './look-up-instance.ts';
import { lostInstance } from './lost-instance.ts';
import { openInstance } from './open-instance.ts';
import { OverwriteCheck } from './overwrite-check.ts';
import type { RetryPolicy } from './retry.ts';
import { storeInstance } from './store-instance.ts';

/** An Orthanc server from 0.9.5 on. Tells MD5 and size in its inventory only from 1.12.5 on. */
export interface OrthancStore extends DestinationStore, Witness {
  /** For what is not an instance: sidecars, preflight. Shares the connections and the credentials. */
  readonly client: OrthancClient;
  /** What the server is, read once. Throws `not-orthanc` if it is something else. */
  capabilities(options?: CallOptions): Promise<OrthancCapabilities>;
  /** The option `DefaultEncoding`, asked once; `undefined` if the server does not tell it, or it is not known here. */
  defaultEncoding(options?: CallOptions): Promise<OrthancEncoding | undefined>;
  /**
   * Makes sure, before an instance is deleted to be stored anew, that the server will give it the same id again. Throws
   * `wrong-id` or `not-dicom` as `store` does, also where the id is only likely to be another one.
   */
  requireSameId(id: InstanceId, body: InstanceBytes, options?: CallOptions): Promise<void>;
  /**
   * Deletes an instance, and its series, study and patient with all that they carry if it was their last. Nothing
   * happens if it is not there. An unanswered call throws `unreachable` and may have deleted: to repeat it is safe.
   */
  delete(id: InstanceId, options?: CallOptions): Promise<void>;
  /** Gives it a memory, for inventories that may use what it told earlier. */
  remember(memory: InventoryMemory): void;
}

/** Makes a store without connecting. Close it to let go of its connections. */
export function openOrthancStore(connection: OrthancConnection, retryPolicy?: RetryPolicy): OrthancStore {
  return orthancStoreOf(new OrthancClient(connection, retryPolicy));
}

/** The store of a server that a client speaks with. */
export function orthancStoreOf(client: OrthancClient, sizes?: InventorySizes): OrthancStore {
  return new ServerStore(client, sizes);
}

/** @returns whether a store is an Orthanc server, which can be asked more than the contract of stores says. */
export function isOrthancStore(store: Store): store is OrthancStore {
  return store instanceof ServerStore;
}

class ServerStore implements OrthancStore {
  readonly client: OrthancClient;
  readonly #ids: IdCheck;
  readonly #overwriting = new OverwriteCheck();
  readonly #sizes: InventorySizes;
  #capabilities: OrthancCapabilities | undefined;
  #memory: InventoryMemory | undefined;

  constructor(client: OrthancClient, sizes: InventorySizes = usualSizes) {
    this.client = client;
    this.#sizes = sizes;
    this.#ids = new IdCheck(client);
  }

  get name(): string {
    return this.client.name;
  }

  get witness(): Witness {
    return this;
  }

  async capabilities(options: CallOptions = {}): Promise<OrthancCapabilities> {
    this.#capabilities ??= await readCapabilities(this.client, options);
    return this.#capabilities;
  }

  async *inventory(options: InventoryOptions = {}): AsyncGenerator<InventoryEntry> {
    const server = { client: this.client, capabilities: await this.capabilities(options) };
    if (options.mayRemember === true && this.#memory !== undefined) {
      yield* rememberedInventory(server, this.#memory, options, this.#sizes);
    } else {
      yield* serverInventory(server, options);
    }
  }

  remember(memory: InventoryMemory): void {
    this.#memory = memory;
  }

  async lookup(id: InstanceId, options: CallOptions = {}): Promise<readonly InventoryEntry[]> {
    const entry = await lookUpInstance(this.client, await this.capabilities(options), id, options);
    return entry === undefined ? [] : [entry];
  }

  open(id: InstanceId, options: OpenOptions = {}): Promise<OpenInstance> {
    return openInstance(this.client, id, { signal: options.signal });
  }

  async store(instance: InstanceIdentity, body: InstanceBytes, options: StoreOptions = {}): Promise<StoreOutcome> {
    const capabilities = await this.capabilities(options);
    const server = { client: this.client, capabilities, ids: this.#ids, overwriting: this.#overwriting };
    return storeInstance(server, instance, body, options);
  }

  defaultEncoding(options: CallOptions = {}): Promise<OrthancEncoding | undefined> {
    return this.#ids.defaultEncoding(options);
  }

  async requireSameId(id: InstanceId, body: InstanceBytes, options: CallOptions = {}): Promise<void> {
    const examined = await lookIntoBody(body);
    examined.release();
    await this.#ids.requireLikely(id, examined.elements, options);
  }

  async delete(id: InstanceId, options: CallOptions = {}): Promise<void> {
    try {
      await this.client.delete(`/instances/${id}`, options);
    } catch (error) {
      if (!isMirrorError(error, 'vanished')) throw error;
    }
  }

  readChanges(query: ReadChangesQuery): Promise<ChangePage> {
    return readChanges(this.client, query);
  }

  changePages(query: Omit<ReadChangesQuery, 'limit'>): AsyncIterable<ChangePage> {
    return changePages(this.client, query);
  }

  lastChange(options: CallOptions = {}): Promise<number> {
    return lastChange(this.client, options);
  }

  countInstances(options: CallOptions = {}): Promise<number> {
    return countInstances(this.client, options);
  }

  async lostInstance(id: InstanceId, options: CallOptions = {}): Promise<MirrorError> {
    return lostInstance(this.name, id, await this.capabilities(options));
  }

  close(): Promise<void> {
    return this.client.close();
  }
}
