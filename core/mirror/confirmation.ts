/** After a comparison: the servers that were written to are asked whether they still hold what was told of them. */

import type { CallOptions } from '../call-options.ts';
import { evenClock } from '../clock.ts';
import type { CopyResult, Destination } from '../copy/outcome.ts';
import { type InstanceId, isInstanceId } from '../identifiers.ts';
import type { ChangeFeed } from '../stores/change-feed.ts';
import type { Cursor } from './follow/cursor.ts';
import { type FollowOptions, followChanges } from './follow/follow.ts';
import type { MirrorRun } from './mirror-run.ts';
import { Presence } from './presence.ts';
import { countOf, type SummaryCounter } from './summary.ts';

export class Confirmation {
  readonly #run: MirrorRun;
  readonly #counter: SummaryCounter;
  readonly #presence: Presence;
  #since: Cursor | undefined;

  /** @param counter is corrected by what servers lost */
  constructor(run: MirrorRun, counter: SummaryCounter) {
    this.#run = run;
    this.#counter = counter;
    this.#presence = new Presence(run);
  }

  /**
   * To be called when a comparison begins, before anything is listed.
   * @param since where the feed stands
   * @param served who takes part; the others are not asked
   */
  async begin(since: Cursor, served: readonly Destination[], { signal }: CallOptions): Promise<void> {
    this.#since = since;
    await this.#presence.begin({ served, signal });
  }

  /** Takes in what is told of an instance. */
  note(result: Pick<CopyResult, 'id' | 'outcomes'>): void {
    this.#presence.note(result);
  }

  /** To be called while nothing is copied. What a server lost counts as failed, and is told. Throws if one cannot be asked. */
  async confirm(served: readonly Destination[], { signal }: CallOptions): Promise<void> {
    if (!this.#presence.isOpen) return;
    const { feed, observer, clock = evenClock } = this.#run;
    const arrived = (ids: ReadonlySet<InstanceId>) =>
      arrivedSince(feed, this.#since, ids, { nowMs: clock.nowMs(), signal });
    for (const destination of this.#hasWritten() ? served : []) {
      for await (const lost of this.#presence.lostAt(destination, arrived, { signal })) {
        this.#counter.correct(lost);
        const { id, error } = lost;
        const outcomes = [{ destination, kind: 'failed', error, at: 'destination' } as const];
        observer?.onResult?.({ id, md5: undefined, sizeBytes: undefined, outcomes });
      }
    }
    this.#presence.end();
  }

  /** Not only instances take room: a server may delete others for an attachment. */
  #hasWritten(): boolean {
    const { sidecars, afterCopying } = this.#run;
    const sidecarsTold = sidecars === undefined ? 0 : countOf(sidecars.counts);
    return this.#presence.hasNotes || sidecarsTold > 0 || afterCopying !== undefined;
  }
}

/** Which of `ids` the feed announced since the cursor. */
async function arrivedSince(
  feed: ChangeFeed | undefined,
  cursor: Cursor | undefined,
  ids: ReadonlySet<InstanceId>,
  options: FollowOptions,
): Promise<ReadonlySet<InstanceId>> {
  const arrived = new Set<InstanceId>();
  if (feed === undefined || cursor === undefined || ids.size === 0) return arrived;
  for await (const step of followChanges(feed, cursor, options)) {
    if (step.kind === 'reset') break;
    for (const { id } of step.changes) if (isInstanceId(id) && ids.has(id)) arrived.add(id);
  }
  return arrived;
}
