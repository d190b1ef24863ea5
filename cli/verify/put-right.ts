import { MirrorError } from '../../core/errors.ts';
import { Archive } from '../../core/stores/archive/archive.ts';
import type { Store } from '../../core/stores/store.ts';
import { type PutRight, supersedeIn } from '../../core/verify/mend.ts';

/** How damaged bytes are replaced in a store of this kind. */
export function putRightIn(store: Store): PutRight {
  if (store instanceof Archive) return supersedeIn(store);
  return async () => {
    throw new MirrorError('configuration', `${store.name} cannot be mended`);
  };
}
