/** Finds what a server delivers wrongly or not at all, and puts it right with the bytes of other stores. */

import type { CallOptions } from '../../call-options.ts';
import type { ByteBudget } from '../../copy/byte-budget.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { InstanceId, Md5 } from '../../identifiers.ts';
import type { OrthancStore } from '../../stores/orthanc/orthanc-store.ts';
import type { Store } from '../../stores/store.ts';
import { wrapped } from '../../stores/wrapped.ts';
import { copyOverDamage, type PutRight, type RepairOutcome } from '../verify/repair.ts';
import { type Verified, verifyStore } from '../verify/verify.ts';

export interface RepairServerOptions extends CallOptions {
  readonly server: OrthancStore;
  readonly putRight: PutRight;
  /** Where good copies may be, the nearest first. */
  readonly goodCopies: readonly Store[];
  /** Tells which version is right where nobody holds what the server's index promises. */
  readonly fallback?: Store | undefined;
  readonly budget: ByteBudget;
}

/** What became of an instance that is damaged. */
export interface RepairedInstance {
  readonly id: InstanceId;
  readonly outcome: RepairOutcome;
  /** The version that the server's index promised is nowhere; it has the archive's version now. */
  readonly otherVersion: boolean;
}

/** Repairs instances of which it is known that the server cannot deliver them rightly; one result for each, in order. */
export async function* repairInstances(
  ids: AsyncIterable<InstanceId> | Iterable<InstanceId>,
  options: RepairServerOptions,
): AsyncGenerator<RepairedInstance> {
  for await (const id of ids) yield await repairInstance(id, options);
}

async function repairInstance(id: InstanceId, options: RepairServerOptions): Promise<RepairedInstance> {
  const { server, putRight, goodCopies, fallback, budget, signal } = options;
  const repair = { damaged: server, putRight, goodCopies, budget, signal };
  const promised = (await server.lookup(id, { signal }))[0]?.md5;
  const right = await heldSomewhere(id, promised, goodCopies, { signal });
  if (right !== undefined) return { id, outcome: await copyOverDamage(id, right, repair), otherVersion: false };
  let other: Md5 | undefined;
  try {
    other = (await fallback?.lookup(id, { signal }))?.[0]?.md5;
  } catch (error) {
    if (signal?.aborted === true || !isMirrorError(error)) throw error;
    return { id, outcome: { kind: 'not-repaired', error }, otherVersion: false };
  }
  if (other !== undefined) return { id, outcome: await copyOverDamage(id, other, repair), otherVersion: true };
  const error = new MirrorError('source-corrupt', `no store that was named holds a good copy of instance ${id}`);
  return { id, outcome: { kind: 'not-repaired', error }, otherVersion: false };
}

async function heldSomewhere(
  id: InstanceId,
  md5: Md5 | undefined,
  stores: readonly Store[],
  options: CallOptions,
): Promise<Md5 | undefined> {
  if (md5 === undefined) return undefined;
  for (const store of stores) {
    if ((await store.lookup(id, options)).some((entry) => entry.md5 === md5)) return md5;
  }
  return undefined;
}

/** Reads back what the server holds under the ids that `concerns` accepts. */
export async function* findDamaged(
  server: OrthancStore,
  concerns: (id: InstanceId) => boolean,
  options: CallOptions & { readonly atOnce?: number },
): AsyncGenerator<Verified> {
  const part = wrapped(server, {
    async *inventory(listing) {
      for await (const entry of server.inventory(listing)) if (concerns(entry.id)) yield entry;
    },
    close: async () => undefined,
  });
  yield* verifyStore(part, options);
}
