/** One moment of an index, and how it becomes part of a backup. Each back-end has its own way. */

import type { CallOptions } from '../../call-options.ts';
import type { IndexReader } from '../../orthanc-disk/index/index-reader.ts';
import type { BackupManifest } from './manifest.ts';

/** An index at one moment. Must be released. */
export interface CapturedIndex {
  readonly method: BackupManifest['method'];
  readonly kind: BackupManifest['index']['kind'];
  /** Where a SQLite index was. */
  readonly path: string | undefined;
  readonly reader: IndexReader;
  /** Everything needed to restore the index, as it was at that moment. Throws if it turns out to be damaged. */
  content(): AsyncIterable<Uint8Array>;
  /** How long the server was stopped, if it was. */
  readonly stoppedMs: number | undefined;
  /** The server could not be started again: the backup is good, but somebody must act. */
  readonly startError: Error | undefined;
  release(): Promise<void>;
}

/**
 * Takes the index at one moment.
 * @param atThatMoment looks at the index while nothing that it names can have been deleted yet, or as soon as possible
 */
export type CaptureIndex = <T>(
  atThatMoment: (index: IndexReader) => Promise<T>,
  options: CallOptions,
) => Promise<{ readonly captured: CapturedIndex; readonly seen: T }>;
