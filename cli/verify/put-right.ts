import { MirrorError } from '../../core/errors.ts';
import { replaceOnServer } from '../../core/repair/replace-on-server.ts';
import { Archive } from '../../core/stores/archive/archive.ts';
import { isOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import type { Store } from '../../core/stores/store.ts';
import type { Limitations } from '../../core/studies/limitations.ts';
import { studyServerOf } from '../../core/studies/study-server.ts';
import { type PutRight, supersedeIn } from '../../core/verify/mend.ts';

/**
 * How damaged bytes are replaced in a store of this kind.
 * @param archive keeps what users attached to an instance while a server is without it
 */
export async function putRightIn(
  store: Store,
  archive: Archive | undefined,
  limitations: Limitations,
): Promise<PutRight> {
  if (store instanceof Archive) return supersedeIn(store);
  if (!isOrthancStore(store)) throw new MirrorError('configuration', `${store.name} cannot be mended`);
  if (archive === undefined) {
    throw new MirrorError(
      'configuration',
      `--repair of the server ${store.name} needs an --archive, which keeps labels and metadata of an instance meanwhile`,
    );
  }
  const studyServer = await studyServerOf(store);
  return replaceOnServer({ server: store, studyServer, safe: archive.objects, limitations });
}
