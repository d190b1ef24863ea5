/** The sidecars of an archive as they counted at a moment. */

import type { OrthancId } from '../identifiers.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { mapInOrder } from '../streams/in-parallel.ts';
import {
  type ListStatesOptions,
  listSidecars,
  type ReadSidecar,
  readNewest,
  type SidecarOptions,
  type SidecarState,
} from './sidecar-state.ts';

export interface MomentOptions extends SidecarOptions {
  /** The moment; absent: now. */
  readonly at?: Date | undefined;
  /** Only these studies. */
  readonly only?: ReadonlySet<OrthancId> | undefined;
}

/** Documents read at once. */
const readsAtOnce = 16;
/** Studies that are listed one by one. */
const mostListedSingly = 20;

/** The states of one study until a moment. */
export interface StudyStates {
  readonly id: OrthancId;
  /** In order of age, none is missing. */
  readonly states: readonly SidecarState<'studies'>[];
  readonly newest: SidecarState<'studies'>;
}

/** The studies that had a document at the moment, in order of id. Reads no document. */
export async function* listStudiesAt(
  objects: ObjectStorage,
  { at, only, ...options }: Partial<MomentOptions> & Pick<ListStatesOptions, 'after'>,
): AsyncGenerator<StudyStates> {
  // A listing of all studies costs more than one of each of a few.
  const ids = only !== undefined && only.size <= mostListedSingly ? [...only].toSorted() : [undefined];
  for (const id of ids) {
    for await (const states of listSidecars(objects, 'studies', { ...options, id, notAfter: at })) {
      const newest = states.at(-1);
      if (newest !== undefined && only?.has(newest.id) !== false) yield { id: newest.id, states, newest };
    }
  }
}

/** Reads, of each study that had a document at the moment, the newest that can be read, in order of id. */
export async function* readStudiesAt(
  objects: ObjectStorage,
  options: MomentOptions,
): AsyncGenerator<ReadSidecar<'studies'>> {
  for await (const { found } of tryStudiesAt(objects, options)) if (found !== undefined) yield found;
}

/** As {@link readStudiesAt}; `found` is `undefined` for a study of which no state can be read. */
export function tryStudiesAt(
  objects: ObjectStorage,
  options: MomentOptions,
): AsyncGenerator<{ readonly id: OrthancId; readonly found: ReadSidecar<'studies'> | undefined }> {
  return mapInOrder(listStudiesAt(objects, options), readsAtOnce, async ({ id, states }) => ({
    id,
    found: await readNewest(objects, states, options),
  }));
}
