/** The instances that were found and are being copied, as the store that the copy reads from. */
import { MirrorError } from '../errors.ts';
import type { InstanceId, Md5 } from '../identifiers.ts';
import type { InventoryEntry, OpenInstance, OpenOptions, Store } from '../stores/store.ts';
import type { RereadableBytes } from '../streams/rereadable-bytes.ts';
import type { FoundAt } from './found.ts';

/** An instance on its way. */
export interface FoundInstance {
  readonly id: InstanceId;
  readonly md5: Md5;
  readonly sizeBytes: number;
  readonly bytes: RereadableBytes;
  readonly at: FoundAt;
  /** By which the source finds the file again; `undefined` for members of archives. */
  readonly reference: string | undefined;
  readonly note?: string;
  /** Ids that a server may give it instead. */
  readonly otherIds: readonly InstanceId[];
}

export class FoundInstances implements Store {
  readonly name: string;
  readonly #underWay = new Map<string, FoundInstance[]>();

  constructor(name: string) {
    this.name = name;
  }

  /**
   * Adds an instance. @returns whether it is to be copied: `false` if the same bytes are already on their way from
   * another file, whose outcome is then also that of this one.
   */
  add(instance: FoundInstance): boolean {
    const key = keyOf(instance.id, instance.md5);
    const same = this.#underWay.get(key);
    if (same === undefined) {
      this.#underWay.set(key, [instance]);
      return true;
    }
    instance.bytes.release();
    same.push(instance);
    return false;
  }

  /** Takes out an instance that is done, and all files that held it, to be released; the first one was copied. */
  take(id: InstanceId, md5: Md5): readonly FoundInstance[] {
    const instances = this.#underWay.get(keyOf(id, md5)) ?? [];
    this.#underWay.delete(keyOf(id, md5));
    return instances;
  }

  /** Only what is under way now: a source that is being walked has no inventory before its end. */
  async *inventory(): AsyncGenerator<InventoryEntry> {
    const entries = [...this.#underWay.values()].flatMap(([first]) => (first === undefined ? [] : [first]));
    yield* entries.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  }

  async lookup(id: InstanceId): Promise<readonly InventoryEntry[]> {
    return [...this.#underWay.values()].flatMap(([first]) => (first?.id === id ? [first] : []));
  }

  async open(id: InstanceId, { md5 }: OpenOptions = {}): Promise<OpenInstance> {
    const found = md5 === undefined ? undefined : this.#underWay.get(keyOf(id, md5))?.[0];
    if (found === undefined) {
      throw new MirrorError('vanished', `instance ${id} is not being imported`);
    }
    return {
      id,
      md5: found.md5,
      sizeBytes: found.sizeBytes,
      idIsProven: true,
      body: found.bytes.read(),
      cancel() {},
    };
  }

  /** Frees everything that is not done. */
  async close(): Promise<void> {
    for (const { bytes } of [...this.#underWay.values()].flat()) {
      bytes.release();
    }
    this.#underWay.clear();
  }
}

function keyOf(id: InstanceId, md5: Md5): string {
  return `${id}/${md5}`;
}
