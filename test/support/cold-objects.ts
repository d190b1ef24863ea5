/** Objects in memory whose instances and attachments lie in Deep Archive, by the rules of the local S3 server. */
import { MirrorError } from '../../core/errors.ts';
import { folders } from '../../core/stores/archive/keys.ts';
import type { GetOptions, OpenObject, Thawed } from '../../core/stores/archive/object-storage.ts';
import { requireThawed, type Thawable, thawing } from '../../local/s3/cold-classes.ts';
import { Failure } from '../../local/s3/failure.ts';
import { MemoryObjects } from './memory-objects.ts';

const days = 7;

export class ColdObjects extends MemoryObjects {
  readonly clock: { nowMs: number };
  /** How often a copy of each object was made, which is what costs money. */
  readonly made = new Map<string, number>();
  /** While set, objects are not cold yet. */
  isWarm = true;
  readonly #states = new Map<string, Thawable>();

  constructor(clock: { nowMs: number }) {
    super({ now: () => clock.nowMs });
    this.clock = clock;
  }

  override async get(key: string, options?: GetOptions): Promise<OpenObject | undefined> {
    try {
      requireThawed(this.#stateOf(key), this.clock.nowMs);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.calls.get += 1;
      throw new MirrorError('cold', `${key} lies in a cold storage class`);
    }
    return super.get(key, options);
  }

  async thaw(key: string): Promise<Thawed> {
    const { nowMs } = this.clock;
    const state = this.#stateOf(key);
    try {
      requireThawed(state, nowMs);
      return 'readable';
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
    }
    if (state.thaw !== undefined && nowMs < Date.parse(state.thaw.until)) return 'under-way';
    this.#states.set(key, { ...state, ...thawing(state, { nowMs, days, tier: 'Bulk' }) });
    this.made.set(key, (this.made.get(key) ?? 0) + 1);
    return 'asked';
  }

  #stateOf(key: string): Thawable {
    const isCold = !this.isWarm && [folders.instances, folders.attachments].some((folder) => key.startsWith(folder));
    return isCold ? (this.#states.get(key) ?? { storageClass: 'DEEP_ARCHIVE' }) : {};
  }
}
