/** How damaged instances are put right in a store of each kind. */

import { repairInstances } from '../../core/archive-life/repair/mend-server.ts';
import { repairOnServer } from '../../core/archive-life/repair/replace-on-server.ts';
import { type Mended, mendInstance, supersedeIn } from '../../core/archive-life/verify/mend.ts';
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

/** Mends an instance that reading it back showed to be damaged; `undefined` if there is nothing to mend. */
export type Mender = (result: Verified) => Promise<Mended | undefined>;

export interface MenderOptions extends CallOptions {
  /** Where good copies may be, the nearest first. */
  readonly goodCopies: readonly Store[];
  /** Keeps what users attached to an instance while a server is mended. */
  readonly archive: Archive | undefined;
  readonly warn: (line: string) => void;
}

const budget = defaultBudget();

/** Throws what the connection to a server throws. */
export async function menderOf(store: Store, options: MenderOptions): Promise<Mender> {
  if (store instanceof EveryVersion) return menderOfArchive(store, options);
  if (isOrthancStore(store) && options.archive !== undefined) return menderOfServer(store, options.archive, options);
  const reason = 'name the --archive, where labels, metadata and attachments are kept meanwhile';
  const error = new MirrorError('configuration', `${store.name} cannot be mended: ${reason}`);
  return async ({ kind }) => (kind === 'damaged' ? { kind: 'not-mended', error } : undefined);
}

function menderOfArchive(damaged: EveryVersion, { goodCopies, signal }: MenderOptions): Mender {
  const mend = { damaged, putRight: supersedeIn(damaged.archive), goodCopies, budget, signal };
  return async (result) =>
    result.kind === 'damaged' && result.md5 !== undefined ? mendInstance(result.id, result.md5, mend) : undefined;
}

async function menderOfServer(
  server: OrthancStore,
  { objects: safe }: Archive,
  { goodCopies, warn, signal }: MenderOptions,
): Promise<Mender> {
  const limitations = new Limitations(({ message }) => warn(message));
  const studyServer = await studyServerOf(server, { signal });
  const putRight = repairOnServer({ server, studyServer, safe, limitations });
  return async ({ id, kind }) => {
    if (kind !== 'damaged') return undefined;
    const [repaired] = await Array.fromAsync(repairInstances([id], { server, putRight, goodCopies, budget, signal }));
    return repaired?.outcome;
  };
}
