/** What a mirror run is told, and what it tells. */

import type { CallOptions } from '../call-options.ts';
import type { Clock } from '../clock.ts';
import type { CopyRequest } from '../copy/decide.ts';
import type { CopyResult, Destination } from '../copy/outcome.ts';
import type { MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { ChangeFeed } from '../stores/change-feed.ts';
import type { Store } from '../stores/store.ts';
import type { ComparisonNotes } from './comparison.ts';
import type { MirrorEvent } from './mirror-events.ts';
import type { SourceReader } from './reader.ts';
import type { Deletions } from './record-removals.ts';
import type { Openness } from './schedule/blackouts.ts';
import type { SidecarSync } from './sidecar-sync.ts';
import type { Summary } from './summary.ts';
import type { WakeUp } from './wake-up.ts';

/** @returns why a destination, or without one the whole mirror, is paused; `undefined` if it is not */
export type Pauses = (destination?: Destination) => MirrorError | undefined;

export interface MirrorRun extends ComparisonNotes {
  readonly source: Store;
  /** The source's change feed; without one only the comparison is done. */
  readonly feed?: ChangeFeed | undefined;
  /** Whether an announced instance is to be mirrored; absent: all are. What the source lists is selected already. */
  readonly selects?: SourceReader['selects'];
  /** What a schedule allows a watch now; absent: everything. */
  readonly openness?: (() => Openness) | undefined;
  /**
   * Asks which destinations, or without one whether the whole mirror, are paused because somebody wants it, and why;
   * absent: none ever is.
   */
  readonly paused?: (() => Promise<Pauses>) | undefined;
  /**
   * Asks whether a destination that was out of reach can be used, and makes it ready; absent: one that answers can.
   * @returns why it cannot
   */
  readonly admit?: ((destination: Destination, options: CallOptions) => Promise<MirrorError | undefined>) | undefined;
  /** At least one. Their stores have different names. */
  readonly destinations: readonly Destination[];
  /** Most copies at once. */
  readonly concurrency: number;
  /** Keeps sidecars equal; absent where only instances are mirrored. */
  readonly sidecars?: SidecarSync | undefined;
  /**
   * Writes what belongs to the instances, after all were copied and before the targets are asked whether they still hold
   * them; not called if a destination was left out, nor in a watch.
   */
  readonly afterCopying?: (() => Promise<void>) | undefined;
  /** Resolves conflicts by the configured policy; absent: they are reported. */
  readonly resolveConflicts?: ((result: CopyResult) => Promise<CopyResult>) | undefined;
  /** Compare only, and report what would be copied. */
  readonly dryRun?: boolean;
  /** After the first comparison follow the feed until `draining` or `signal`. */
  readonly watch?: { readonly pollMs: number; readonly compareEveryMs: number } | undefined;
  /** Rung when something new was announced, so that a watch need not wait for its next poll. */
  readonly wakeUp?: WakeUp | undefined;
  /** No new copy starts after this; what runs is finished. */
  readonly draining?: AbortSignal | undefined;
  /** Everything is torn off. */
  readonly signal?: AbortSignal | undefined;
  /** How long copying waits for a server that went away before it is left out; default a minute, 10 s in a watch. */
  readonly patienceMs?: number;
  /** Default: the machine's. */
  readonly clock?: Clock;
  readonly observer?: MirrorObserver;
}

/** What a caller may want to show while the run goes on. */
export interface MirrorObserver {
  /** An instance has its final outcome; equal ones that the listings decided included. */
  onResult?(result: CopyResult): void;
  /** An instance is to be copied or asked for. `sizeBytes` where the source listed it. */
  onPlanned?(request: CopyRequest): void;
  /** The comparison came to `id`; ids are spread evenly, so its first digits tell the fraction. */
  onCompared?(id: InstanceId): void;
  /** The comparison is complete: nothing more will be planned. */
  onPlanComplete?(): void;
  onEvent?(event: MirrorEvent): void;
}

export interface MirrorRunEnd {
  readonly summary: Summary;
  /** Why the run ended before its work did: the source failed for good, or somebody interrupted. */
  readonly stoppedBy: MirrorError | undefined;
  /** Destinations that could not be served to the end, with the reason. */
  readonly withdrawn: ReadonlyMap<Destination, MirrorError>;
  readonly interrupted: boolean;
  /** What the last complete comparison says of deletions at the source. */
  readonly deletions?: Deletions | undefined;
}

/** Instances that may be planned ahead of the copies: about 10 MB, and the whole plan of most runs. */
export const planAhead = 20_000;
