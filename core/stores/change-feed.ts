/** What the follower needs of a source: Orthanc's change feed (`GET /changes`). */

import type { CallOptions } from '../call-options.ts';
import type { OrthancId, ResourceLevel } from '../identifiers.ts';

/** One entry of the feed. */
export interface Change {
  /** Sequence number; rises, never reused, with holes where resources were deleted since. */
  readonly seq: number;
  /** Orthanc's name of the change: `NewInstance`, `StableStudy`, `UpdatedMetadata`, … */
  readonly type: string;
  readonly level: ResourceLevel;
  readonly id: OrthancId;
  /** When it was logged: UTC, `yyyymmddThhmmss`. */
  readonly date: string;
}

export interface ChangePage {
  readonly changes: readonly Change[];
  /** Nothing follows for now. */
  readonly done: boolean;
  /** Sequence number of the last entry of the page; of an empty page, the last that the feed ever gave out. */
  readonly last: number;
}

export interface ChangeFeed {
  /** Entries with a sequence number above `since`, at most `limit` (1 or more), in ascending order. */
  readChanges(query: { readonly since: number; readonly limit: number } & CallOptions): Promise<ChangePage>;
  /** All pages behind `since`, each one's `last` greater than the one's before; the last of them is `done`. */
  changePages(query: { readonly since: number } & CallOptions): AsyncIterable<ChangePage>;
  /** The highest sequence number ever given out, also if its entry is gone since; 0 when there was none. */
  lastChange(options?: CallOptions): Promise<number>;
}
