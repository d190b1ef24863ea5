/** What differs in an archive between two moments. */

import type { InstanceId, Md5, OrthancId } from '../../identifiers.ts';
import { listStudiesAt, type StudyStates } from '../../sidecars/list-sidecars.ts';
import type { SidecarOptions } from '../../sidecars/sidecar-state.ts';
import type { Archive } from '../../stores/archive/archive.ts';
import type { DatedOptions } from '../../stores/archive/archive-history.ts';
import { mergeJoin } from '../../streams/merge-join.ts';
import { ArchiveView } from '../restore/archive-view.ts';

export type Difference =
  | { readonly kind: 'added'; readonly level: 'instance'; readonly id: InstanceId; readonly md5: Md5 | undefined }
  | { readonly kind: 'removed'; readonly level: 'instance'; readonly id: InstanceId; readonly md5: Md5 | undefined }
  /** `md5` is that of the second moment, `md5Before` of the first. */
  | {
      readonly kind: 'changed';
      readonly level: 'instance';
      readonly id: InstanceId;
      readonly md5: Md5 | undefined;
      readonly md5Before: Md5 | undefined;
    }
  /** The study's sidecar: what users attached, or the list of its instances. */
  | { readonly kind: 'added' | 'changed'; readonly level: 'study'; readonly id: OrthancId };

/** `onUnreadable`: of which instances no moment of the past can be told; see {@link DatedOptions}. */
export type PastOptions = Partial<SidecarOptions> & Pick<DatedOptions, 'onUnreadable'>;

/** Lists the differences: first of the instances, then of the sidecars, each in order of id. */
export async function* listDifferences(
  archive: Archive,
  before: Date,
  after: Date,
  options: PastOptions = {},
): AsyncGenerator<Difference> {
  const { onUnreadable } = options;
  const views = [before, after].map((at) => new ArchiveView(archive, { at, onUnreadable }).inventory(options));
  for await (const { id, held } of mergeJoin(views)) {
    const [first, second] = held.map((entries) => entries[0]);
    if (first === undefined) yield { kind: 'added', level: 'instance', id, md5: second?.md5 };
    else if (second === undefined) yield { kind: 'removed', level: 'instance', id, md5: first.md5 };
    else if (first.md5 !== second.md5) {
      yield { kind: 'changed', level: 'instance', id, md5: second.md5, md5Before: first.md5 };
    }
  }
  yield* sidecarDifferences(archive, before, after, options);
}

/** Documents are never removed: every study of the first moment has one at the second. */
async function* sidecarDifferences(
  archive: Archive,
  before: Date,
  after: Date,
  options: Partial<SidecarOptions> = {},
): AsyncGenerator<Difference> {
  const earlier = listStudiesAt(archive.objects, { at: before, ...options });
  try {
    let first = await next(earlier);
    for await (const { id, newest } of listStudiesAt(archive.objects, { at: after, ...options })) {
      while (first !== undefined && first.id < id) first = await next(earlier);
      if (first?.id !== id) yield { kind: 'added', level: 'study', id };
      else if (first.newest.key !== newest.key) yield { kind: 'changed', level: 'study', id };
    }
  } finally {
    await earlier.return(undefined);
  }
}

async function next(states: AsyncGenerator<StudyStates>): Promise<StudyStates | undefined> {
  const result = await states.next();
  return result.done === true ? undefined : result.value;
}
