import { outcomeOfError } from '../../copy/outcome.ts';
import type { InstanceId } from '../../identifiers.ts';
import { verifiedBody } from '../../stores/archive/verified-body.ts';
import type { Store } from '../../stores/store.ts';
import { type AfterCopy, atConflicts } from '../repair/replace-conflicts.ts';
import type { RestoredFolder } from './restored-folder.ts';

/**
 * Resolves conflicts of a restore to a folder: the version of the moment takes the place of the other one, which the
 * folder keeps under `superseded/`.
 */
export function replaceInFolder(
  view: Store,
  folder: RestoredFolder,
  onReplaced: (id: InstanceId, savedUnder: string) => void,
): AfterCopy {
  return atConflicts(async (id, outcome) => {
    const { destination } = outcome;
    try {
      const [wanted] = await view.lookup(id);
      if (wanted?.md5 === undefined || wanted.sizeBytes === undefined) return outcome;
      const instance = { id, md5: wanted.md5, sizeBytes: wanted.sizeBytes };
      const opened = await view.open(id, instance);
      try {
        await folder.replace(instance, verifiedBody(opened.body, instance), {});
      } finally {
        opened.cancel();
      }
      onReplaced(id, 'superseded/');
      return { destination, kind: 'copied' };
    } catch (error) {
      return outcomeOfError(destination, error, 'destination');
    }
  });
}
