/** From what a mirror run observes to the progress that is shown. */
import type { MirrorObserver } from '../../core/mirror/mirror-run.ts';
import type { ShownProgress } from '../progress.ts';

/** Makes the observer of a run, which shows everything that changes its progress. */
export function progressObserver(shown: Pick<ShownProgress, 'show' | 'phase'>): MirrorObserver {
  /** Planned and not done; at most what the plan is ahead of the copies. */
  const open = new Set<string>();
  let planned = { instances: 0, bytes: 0, bytesKnown: true };
  let done = { instances: 0, bytes: 0 };
  let complete = false;
  let compared = 0;
  const update = () => {
    shown.show({
      ...done,
      comparedFraction: complete ? undefined : compared,
      totalInstances: complete ? planned.instances : undefined,
      totalBytes: complete && planned.bytesKnown ? planned.bytes : undefined,
    });
  };
  return {
    onPlanned: ({ id, sizeBytes }) => {
      open.add(id);
      planned = {
        instances: planned.instances + 1,
        bytes: planned.bytes + (sizeBytes ?? 0),
        bytesKnown: planned.bytesKnown && sizeBytes !== undefined,
      };
      update();
    },
    onResult: ({ id, sizeBytes }) => {
      // Instances that the listings decide were never planned, and would make the rate look better than it is.
      if (!open.delete(id)) return;
      done = { instances: done.instances + 1, bytes: done.bytes + (sizeBytes ?? 0) };
      update();
    },
    onCompared: (id) => {
      shown.phase('comparing and copying');
      compared = fractionOf(id);
      update();
    },
    onPlanComplete: () => {
      complete = true;
      shown.phase('copying');
      update();
    },
  };
}

/** How far a sorted listing is. Ids are hashes, evenly spread over all values, so the first digits tell. */
export function fractionOf(id: string): number {
  return Number.parseInt(id.slice(0, 8), 16) / 2 ** 32;
}
