/** Reads every header of an archive once, so that later each study is there at once; goes on where it was stopped. */
import type { CallOptions } from '../../call-options.ts';
import type { ArchiveReader } from './archive-reader.ts';

/** Studies done of all. */
export interface IndexProgress {
  readonly done: number;
  readonly of: number;
}

/** Each study is kept when it was read: to run this again costs one request for each that is kept. */
export async function* indexArchive(
  reader: ArchiveReader,
  { signal }: CallOptions = {},
): AsyncGenerator<IndexProgress> {
  const studies = await reader.studies();
  for (const [index, { study }] of studies.entries()) {
    if (signal?.aborted) return;
    await reader.study(study);
    yield { done: index + 1, of: studies.length };
  }
}
