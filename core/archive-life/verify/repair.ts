/** Puts a damaged instance right with the bytes of a store that still has them. */

import type { CallOptions } from '../../call-options.ts';
import type { ByteBudget } from '../../copy/byte-budget.ts';
import { copyInstance } from '../../copy/copy-instance.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { InstanceId, Md5 } from '../../identifiers.ts';
import type { Archive } from '../../stores/archive/archive.ts';
import type { DestinationStore, InstanceBytes, InstanceIdentity, Store, StoreOutcome } from '../../stores/store.ts';
import { wrapped } from '../../stores/wrapped.ts';

/**
 * Writes right bytes in the place of damaged ones and proves it; throws a MirrorError otherwise. @returns where another
 * version that was there is kept, if there was one.
 */
export type PutRight = (
  instance: InstanceIdentity,
  body: InstanceBytes,
  options: CallOptions,
) => Promise<string | undefined>;

export interface RepairOptions extends CallOptions {
  /** Where the instance is damaged. */
  readonly damaged: Store;
  readonly putRight: PutRight;
  /** Where good copies may be, the nearest first. */
  readonly goodCopies: readonly Store[];
  readonly budget: ByteBudget;
}

/** What became of the attempt. */
export type RepairOutcome =
  | { readonly kind: 'repaired'; readonly from: string; readonly savedUnder: string | undefined }
  | { readonly kind: 'not-repaired'; readonly error: MirrorError };

/** How an archive puts an object right: the damaged one is kept aside. */
export function supersedeIn(archive: Archive): PutRight {
  return async (instance, body, options) => {
    await archive.supersede(instance, body, options);
    return undefined;
  };
}

/** How an archive gets a version back that it lost, and that it held at a time. */
export function putBackIn(archive: Archive, heldAt: Date): PutRight {
  return async (instance, body, options) => {
    await archive.putBack(instance, heldAt, body, options);
    return undefined;
  };
}

/**
 * Takes the bytes with this MD5 from the first store that has them and puts them in the place of the damaged ones. The
 * copy is verified like every copy: nothing wrong is written, and what is damaged stays until right bytes are there.
 */
export async function copyOverDamage(id: InstanceId, md5: Md5, options: RepairOptions): Promise<RepairOutcome> {
  let error: MirrorError | undefined;
  for (const source of options.goodCopies) {
    try {
      const held = await source.lookup(id, { signal: options.signal });
      if (!held.some((entry) => entry.md5 === md5)) continue;
      const { failure, savedUnder } = await copyFrom(source, id, md5, options);
      if (failure === undefined) return { kind: 'repaired', from: source.name, savedUnder };
      error = failure;
    } catch (thrown) {
      if (!isMirrorError(thrown) || options.signal?.aborted === true) throw thrown;
      error = thrown;
    }
  }
  error ??= new MirrorError(
    'source-corrupt',
    `no store that was named holds instance ${id} with MD5 ${md5}; another one may`,
    { advice: 'name-other-stores' },
  );
  return { kind: 'not-repaired', error };
}

async function copyFrom(
  source: Store,
  id: InstanceId,
  md5: Md5,
  options: RepairOptions,
): Promise<{ readonly failure: MirrorError | undefined; readonly savedUnder: string | undefined }> {
  let savedUnder: string | undefined;
  const store = repairingStore(options.damaged, md5, async (instance, body, call) => {
    savedUnder = await options.putRight(instance, body, call);
    return savedUnder;
  });
  const request = { id, md5, lacking: [{ role: 'archive', store } as const], undecided: [] };
  const result = await copyInstance(request, { source, budget: options.budget, signal: options.signal });
  return { failure: result.outcomes[0]?.error, savedUnder };
}

/** The damaged store as a destination that takes nothing but these bytes. */
function repairingStore(damaged: Store, md5: Md5, putRight: PutRight): DestinationStore {
  return wrapped(damaged, {
    store: async (
      instance: InstanceIdentity,
      body: InstanceBytes,
      options: CallOptions = {},
    ): Promise<StoreOutcome> => {
      if (instance.md5 !== md5) {
        throw new MirrorError(
          'changed-meanwhile',
          `instance ${instance.id} is not the version with MD5 ${md5} any more`,
        );
      }
      await putRight(instance, body, options);
      return { kind: 'stored' };
    },
  });
}
