/**
 * The studies of an archive with what they are found by. So that not every document must be read each time, the archive
 * keeps the entries of the newest ones, in sixteen parts by the first digit of the study's id:
 *
 *     state/catalogue/<digit>.json
 *
 * They can be deleted at any time: an entry that is missing or not of the newest document is made from the document.
 */
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError } from '../../errors.ts';
import type { OrthancId } from '../../identifiers.ts';
import { listOf } from '../../json.ts';
import { listStudiesAt, type MomentOptions, type StudyStates } from '../../sidecars/list-sidecars.ts';
import { readNewest } from '../../sidecars/sidecar-state.ts';
import type { Archive } from '../../stores/archive/archive.ts';
import { stateKey } from '../../stores/archive/keys.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { StateDocument } from '../../stores/archive/state.ts';
import type { Store } from '../../stores/store.ts';
import { mapInOrder } from '../../streams/in-parallel.ts';
import { EntryOfHeaders, entryOfSidecar, type StudyEntry, studyEntrySchema } from './study-entry.ts';
import { headersWithoutSidecar, sidecaredInstances } from './without-sidecar.ts';

const partSchema = z.strictObject({ version: z.literal(1), studies: listOf(studyEntrySchema) });
type Part = z.infer<typeof partSchema>;

/** Documents read at once. */
const readsAtOnce = 48;
/** Parts of what is kept. */
const partsAtOnce = 4;

/**
 * Lists the studies that had a document at the moment, in order of id: one listing of all sidecars, and a read for each
 * whose entry is not known. Keeps the entries of now in the archive, unless that may not be written to.
 */
export async function* readCatalogue(objects: ObjectStorage, options: MomentOptions): AsyncGenerator<StudyEntry> {
  let part: PartToRead | undefined;
  let entries: StudyEntry[] = [];
  const keep = async () => {
    const isNew = entries.some(({ key }) => part?.known.has(key) !== true);
    if (part === undefined || !isNew || options.at !== undefined || options.only !== undefined) return;
    await keepPart(objects, part.digit, entries, part.version, options);
  };
  for await (const { entry, of } of mapInOrder(studiesToRead(objects, options), readsAtOnce, async (wanted) => ({
    of: wanted.part,
    entry: await knownOrRead(objects, wanted.study, wanted.part.known, options),
  }))) {
    if (of !== part) {
      await keep();
      part = of;
      entries = [];
    }
    if (entry === undefined) continue;
    entries.push(entry);
    yield entry;
  }
  await keep();
}

/** The studies whose ids begin with one digit, and what is kept of them. */
interface PartToRead {
  readonly digit: string;
  readonly studies: readonly StudyStates[];
  readonly known: ReadonlyMap<string | undefined, StudyEntry>;
  readonly version: string | null;
}

/** Part after part without a pause: what is kept of the next one is read meanwhile. */
async function* studiesToRead(objects: ObjectStorage, options: MomentOptions) {
  const parts = mapInOrder(partsOf(listStudiesAt(objects, options)), partsAtOnce, async (studies) => {
    const digit = studies[0]?.id.charAt(0) ?? '';
    const kept = await readPart(objects, digit, options);
    const known = new Map(kept?.value.studies.map((entry) => [entry.key, entry]));
    return { digit, studies, known, version: kept?.version ?? null } satisfies PartToRead;
  });
  for await (const part of parts) for (const study of part.studies) yield { part, study };
}

/**
 * The entries that are kept, as they were when the catalogue was last read: at once and perhaps out of date, without
 * the listing that {@link readCatalogue} makes. In no order.
 */
export async function* keptCatalogue(objects: ObjectStorage, options: CallOptions = {}): AsyncGenerator<StudyEntry> {
  // Few at once: a part of a large archive takes long to parse, and others want to be answered in between.
  const parts = mapInOrder('0123456789abcdef', partsAtOnce, (digit) => readPart(objects, digit, options));
  for await (const part of parts) yield* part?.value.studies ?? [];
}

/**
 * Lists the studies of the instances that no document lists, from the headers of the files: reads every document, and
 * the beginning of each such file. Keeps one entry per such study in memory.
 */
export async function readStudiesWithoutSidecar(
  archive: Archive,
  view: Store,
  options: MomentOptions,
): Promise<readonly StudyEntry[]> {
  const studies = new Map<OrthancId, EntryOfHeaders>();
  const documented = await sidecaredInstances(archive, options);
  for await (const { header, sizeBytes } of headersWithoutSidecar(archive, view, documented, options)) {
    if (header === undefined) continue;
    const entry = studies.get(header.studyId) ?? new EntryOfHeaders(header);
    studies.set(header.studyId, entry);
    entry.add(header, sizeBytes);
  }
  return [...studies].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry.entry());
}

async function* partsOf(studies: AsyncIterable<StudyStates>): AsyncGenerator<readonly StudyStates[]> {
  let part: StudyStates[] = [];
  for await (const study of studies) {
    if (part[0] !== undefined && part[0].id.charAt(0) !== study.id.charAt(0)) {
      yield part;
      part = [];
    }
    part.push(study);
  }
  if (part.length > 0) yield part;
}

async function knownOrRead(
  objects: ObjectStorage,
  { states, newest }: StudyStates,
  known: ReadonlyMap<string | undefined, StudyEntry>,
  options: MomentOptions,
): Promise<StudyEntry | undefined> {
  const entry = known.get(newest.key);
  if (entry !== undefined) return entry;
  const found = await readNewest(objects, states, options);
  return found && entryOfSidecar(found.key, found.document);
}

/** A part that is damaged, or of another version of this program, is made anew. */
async function readPart(objects: ObjectStorage, digit: string, { signal }: CallOptions) {
  try {
    return await partDocument(objects, digit).read({ signal });
  } catch (error) {
    if (!isMirrorError(error, 'archive-format')) throw error;
    const etag = (await objects.head(stateKey(`catalogue/${digit}`), { signal }))?.etag;
    return etag === undefined ? undefined : { value: { version: 1, studies: [] } satisfies Part, version: etag };
  }
}

async function keepPart(
  objects: ObjectStorage,
  digit: string,
  studies: StudyEntry[],
  version: string | null,
  { signal }: CallOptions,
): Promise<void> {
  try {
    await partDocument(objects, digit).write({ version: 1, studies }, version, { signal });
  } catch (error) {
    // Who may only read an archive still gets an answer; another writer knows as much.
    if (!isMirrorError(error, 'changed-meanwhile', 'forbidden', 'unauthorized', 'read-only', 'full')) throw error;
  }
}

function partDocument(objects: ObjectStorage, digit: string): StateDocument<Part> {
  return new StateDocument<Part>(objects, `catalogue/${digit}`, partSchema);
}
