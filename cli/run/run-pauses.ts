import type { OpenMirror } from '../../core/config/open.ts';
import { targetStoreName } from '../../core/config/store-names.ts';
import { isMirrorError } from '../../core/errors.ts';
import type { MirrorRun } from '../../core/mirror/mirror-run.ts';
import { archiveOf } from '../../core/mirror/parts.ts';
import { type AskedPauses, readAskedPauses } from '../../core/mirror/pause/asked-pauses.ts';
import { pauseBeside } from '../../core/mirror/pause/pause.ts';

/**
 * The pauses of a mirror, which lie beside its archive; without an archive there are none.
 * @param mirror name of the configured mirror; `undefined` for one that is given by URLs, which can only pause as a whole
 */
export function pausesOf({ destinations }: OpenMirror, mirror: string | undefined): MirrorRun['paused'] {
  const objects = archiveOf(destinations)?.store.objects;
  if (objects === undefined) return undefined;
  const pause = pauseBeside(objects);
  let known: AskedPauses = () => undefined;
  return async () => {
    const asked = await readAskedPauses(pause).catch((error: unknown) => {
      // What the archive does not tell now stays as it was: the targets are served while it is away.
      if (isMirrorError(error)) return known;
      throw error;
    });
    known = asked;
    return (destination) =>
      asked(
        destination === undefined || mirror === undefined ? undefined : targetStoreName(mirror, destination.store.name),
      );
  };
}
