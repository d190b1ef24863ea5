/** A server in memory that tells what it holds as Orthanc does, and may delete its oldest instances to make room. */
import { MirrorError } from '../../core/errors.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import type { InstanceBytes, InstanceIdentity, StoreOutcome } from '../../core/stores/store.ts';
import type { Witness } from '../../core/stores/witness.ts';
import { MemoryStore } from './memory-store.ts';
import { SimulatedFeed } from './simulated-feed.ts';

export class RecyclingServer extends MemoryStore {
  readonly feed = new SimulatedFeed();
  /** Most instances that it holds. */
  room: number;
  /** How often it was asked how many it holds. */
  counted = 0;
  /** Whether something else always changes. */
  isBusy = false;
  onCount: () => void = () => undefined;

  constructor(name: string, room = Number.POSITIVE_INFINITY) {
    super(name);
    this.room = room;
  }

  get witness(): Witness {
    return {
      readChanges: (query) => this.feed.readChanges(query),
      changePages: (query) => this.feed.changePages(query),
      lastChange: async () => {
        if (this.isBusy) this.feed.lastEver += 1;
        return this.feed.lastChange();
      },
      countInstances: async () => {
        this.counted += 1;
        this.onCount();
        return this.instances.size;
      },
      lostInstance: async (id) => new MirrorError('not-held', `${this.name} does not hold ${id} any more`),
    };
  }

  override async store(instance: InstanceIdentity, body: InstanceBytes): Promise<StoreOutcome> {
    const outcome = await super.store(instance, body);
    if (outcome.kind === 'stored') this.#announce(instance.id);
    for (const oldest of this.instances.keys()) if (this.instances.size > this.room) this.remove(oldest);
    return outcome;
  }

  /** Somebody else stores an instance. */
  put(id: InstanceId, bytes: Uint8Array): void {
    this.instances.set(id, bytes);
    this.#announce(id);
  }

  /** The instance goes with its entries in the feed. */
  remove(id: InstanceId): void {
    this.instances.delete(id);
    this.feed.entries = this.feed.entries.filter((entry) => entry.id !== id);
  }

  clearFeed(): void {
    this.feed.entries = [];
  }

  #announce(id: InstanceId): void {
    const seq = this.feed.lastEver + 1;
    this.feed.add({ seq, type: 'NewInstance', level: 'instances', id, date: '20261121T024600' });
  }
}
