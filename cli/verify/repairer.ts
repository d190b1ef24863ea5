/** How damaged instances are put right in a store of each kind. */

import { repairInstances } from '../../core/archive-life/repair/repair-server.ts';
import { repairOnServer } from '../../core/archive-life/repair/replace-on-server.ts';
import { copyOverDamage, type RepairOutcome, supersedeIn } from '../../core/archive-life/verify/repair.ts';
import type { Verified } from '../../core/archive-life/verify/verify.ts';
import type { CallOptions } from '../../core/call-options.ts';
import { defaultBudget } from '../../core/copy/copy-context.ts';
import { MirrorError } from '../../core/errors.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import { studyServerOf } from '../../core/sidecars/study-server.ts';
import type { Archive } from '../../core/stores/archive/archive.ts';
import { EveryVersion } from '../../core/stores/archive/every-version.ts';
import { isOrthancStore, type OrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import type { Store } from '../../core/stores/store.ts';

/** Repairs an instance that reading it back showed to be damaged; `undefined` if there is nothing to repair. */
export type Repairer = (result: Verified) => Promise<RepairOutcome | undefined>;

export interface RepairerOptions extends CallOptions {
  /** Where good copies may be, the nearest first. */
  readonly goodCopies: readonly Store[];
  /** Keeps what users attached to an instance while a server is repaired. */
  readonly archive: Archive | undefined;
  readonly warn: (line: string) => void;
}

const budget = defaultBudget();

/** Throws what the connection to a server throws. */
export async function repairerOf(store: Store, options: RepairerOptions): Promise<Repairer> {
  if (store instanceof EveryVersion) return repairerOfArchive(store, options);
  if (isOrthancStore(store) && options.archive !== undefined) return repairerOfServer(store, options.archive, options);
  const reason = 'name the --archive, where labels, metadata and attachments are kept meanwhile';
  const error = new MirrorError('configuration', `${store.name} cannot be repaired: ${reason}`);
  return async ({ kind }) => (kind === 'damaged' ? { kind: 'not-repaired', error } : undefined);
}

function repairerOfArchive(damaged: EveryVersion, { goodCopies, signal }: RepairerOptions): Repairer {
  const repair = { damaged, putRight: supersedeIn(damaged.archive), goodCopies, budget, signal };
  return async (result) =>
    result.kind === 'damaged' && result.md5 !== undefined ? copyOverDamage(result.id, result.md5, repair) : undefined;
}

async function repairerOfServer(
  server: OrthancStore,
  { objects: safe }: Archive,
  { goodCopies, warn, signal }: RepairerOptions,
): Promise<Repairer> {
  const limitations = new Limitations(({ message }) => warn(message));
  const studyServer = await studyServerOf(server, { signal });
  const putRight = repairOnServer({ server, studyServer, safe, limitations });
  return async ({ id, kind }) => {
    if (kind !== 'damaged') return undefined;
    const [repaired] = await Array.fromAsync(repairInstances([id], { server, putRight, goodCopies, budget, signal }));
    return repaired?.outcome;
  };
}
