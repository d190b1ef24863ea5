/** An Orthanc server as a store: what the rest of the program uses of this folder. */

import { isMirrorError } from '../../errors.ts';
import type { ChangeFeed, ChangePage } from '../../follow/change-feed.ts';
import type { InstanceId } from '../../identifiers.ts';
import type {
  CallOptions,
  DestinationStore,
  InstanceBytes,
  InstanceIdentity,
  InventoryEntry,
  InventoryOptions,
  OpenInstance,
  OpenOptions,
  Store,
  StoreOutcome,
} from '../store.ts';
import { type OrthancCapabilities, readCapabilities } from './capabilities.ts';
import { changePages, lastChange, type ReadChangesQuery, readChanges } from './change-feed.ts';
import type { OrthancConnection } from './connection.ts';
import { OrthancClient } from './http-client.ts';
import { pagedInventory } from './inventory-paged.ts';
import { unpagedInventory } from './inventory-unpaged.ts';
import { lookUpInstance } from './look-up-instance.ts';
import { openInstance } from './open-instance.ts';
import type { RetryPolicy } from './retry.ts';
import { storeInstance } from './store-instance.ts';

/** An Orthanc server from 0.9.5 on. Tells MD5 and size in its inventory only from 1.12.5 on. */
export interface OrthancStore extends DestinationStore, ChangeFeed {
  /** For what is not an instance: study documents, preflight. Shares the connections and the credentials. */
  readonly client: OrthancClient;
  /** What the server is, read once. Throws `not-orthanc` if it is something else. */
  capabilities(options?: CallOptions): Promise<OrthancCapabilities>;
  /**
   * Deletes an instance, and its series, study and patient with all that they carry if it was their last. Nothing
   * happens if it is not there. An unanswered call throws `unreachable` and may have deleted: to repeat it is safe.
   */
  delete(id: InstanceId, options?: CallOptions): Promise<void>;
}

/** Makes a store without connecting. Close it to let go of its connections. */
export function openOrthancStore(connection: OrthancConnection, retryPolicy?: RetryPolicy): OrthancStore {
  return new ServerStore(new OrthancClient(connection, retryPolicy));
}

/** @returns whether a store is an Orthanc server, which can be asked more than the contract of stores says. */
export function isOrthancStore(store: Store): store is OrthancStore {
  return store instanceof ServerStore;
}

class ServerStore implements OrthancStore {
  readonly client: OrthancClient;
  #capabilities: OrthancCapabilities | undefined;

  constructor(client: OrthancClient) {
    this.client = client;
  }

  get name(): string {
    return this.client.name;
  }

  async capabilities(options: CallOptions = {}): Promise<OrthancCapabilities> {
    this.#capabilities ??= await readCapabilities(this.client, options);
    return this.#capabilities;
  }

  async *inventory(options: InventoryOptions = {}): AsyncGenerator<InventoryEntry> {
    const { hasExtendedFind } = await this.capabilities(options);
    yield* hasExtendedFind ? pagedInventory(this.client, options) : unpagedInventory(this.client, options);
  }

  async lookup(id: InstanceId, options: CallOptions = {}): Promise<readonly InventoryEntry[]> {
    const entry = await lookUpInstance(this.client, await this.capabilities(options), id, options);
    return entry === undefined ? [] : [entry];
  }

  open(id: InstanceId, options: OpenOptions = {}): Promise<OpenInstance> {
    return openInstance(this.client, id, { signal: options.signal });
  }

  async store(instance: InstanceIdentity, body: InstanceBytes, options: CallOptions = {}): Promise<StoreOutcome> {
    return storeInstance(this.client, await this.capabilities(options), instance, body, options);
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

  close(): Promise<void> {
    return this.client.close();
  }
}
