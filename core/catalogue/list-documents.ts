/** The documents of an archive as they counted at a moment. */
import { mapInOrder } from '../compare/map-in-order.ts';
import type { OrthancId } from '../identifiers.ts';
import { readDocument } from '../stores/archive/json-document.ts';
import { folders, parseKey } from '../stores/archive/keys.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import type { CallOptions } from '../stores/store.ts';
import type { ArchivedDocument } from '../studies/archive-document.ts';
import { type StudyDocument, studyDocumentSchema } from '../studies/study-document.ts';

export interface MomentOptions extends CallOptions {
  /** The moment; absent: now. */
  readonly at?: Date | undefined;
  /** Only these studies. */
  readonly only?: ReadonlySet<OrthancId> | undefined;
}

/** One state of a document in an archive, not read. */
export interface DocumentState {
  readonly id: OrthancId;
  readonly key: string;
  /** When it was archived. */
  readonly at: Date;
}

/** Documents read at once. */
const readsAtOnce = 16;

/** Every state of every study document, in order of study, then of time; other keys are passed over. */
export async function* listStudyStates(
  objects: ObjectStorage,
  { signal }: CallOptions = {},
): AsyncGenerator<DocumentState> {
  for await (const { key } of objects.list(folders.studies, { signal })) {
    const parsed = parseKey(key);
    if (parsed?.kind === 'study') yield { id: parsed.id, key, at: parsed.at };
  }
}

/** Of each study that had a document at the moment the newest one, in order of id. Reads no document. */
export async function* listStudiesAt(
  objects: ObjectStorage,
  { at, only, signal }: MomentOptions = {},
): AsyncGenerator<DocumentState> {
  let newest: DocumentState | undefined;
  for await (const state of listStudyStates(objects, { signal })) {
    if ((at !== undefined && state.at > at) || only?.has(state.id) === false) continue;
    if (newest !== undefined && newest.id !== state.id) yield newest;
    newest = state;
  }
  if (newest !== undefined) yield newest;
}

/** Reads the document of each study that had one at the moment, in order of id. Throws `archive-format` if one is damaged. */
export async function* readStudiesAt(
  objects: ObjectStorage,
  options: MomentOptions = {},
): AsyncGenerator<ArchivedDocument<StudyDocument>> {
  const { signal } = options;
  const read = async ({ key, at }: DocumentState) => {
    const found = await readDocument(objects, key, studyDocumentSchema, { signal });
    return found && { key, at, document: found.value };
  };
  for await (const found of mapInOrder(listStudiesAt(objects, options), readsAtOnce, read)) {
    if (found !== undefined) yield found;
  }
}
