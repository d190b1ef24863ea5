/** Lists of all resources of a level, and pages of them. */
import type { OrthancId, ResourceLevel } from '../../identifiers.ts';
import type { InventoryEntry } from '../../stores/store.ts';
import type { ArchiveReader } from '../reader/archive-reader.ts';
import type { StudyContent } from '../reader/study-content.ts';
import { listedFile } from './attached.ts';
import { patientOf, type Resource } from './resource.ts';
import { type ResponsePart, resourceJson, seriesOf } from './resource-json.ts';

/** Of series and instances, which come in another order than that of their studies. */
const rowsAtOnce = 10_000;

async function* patientsAndStudies(reader: ArchiveReader, level: 'patients' | 'studies'): AsyncGenerator<Resource> {
  for await (const id of allIds(reader, level)) {
    if (level === 'patients') yield await patientOf(reader, id);
    else yield* resourcesOf(await reader.study(id), level);
  }
}

/** The resources of one level of a study. */
function* resourcesOf(study: StudyContent | undefined, level: 'studies' | 'series' | 'instances'): Generator<Resource> {
  if (study === undefined || study.instances.length === 0) return;
  if (level === 'studies') yield { level, id: study.id, study };
  else if (level === 'series') for (const id of seriesOf(study)) yield { level, id, study };
  else for (const instance of study.instances) yield { level, id: instance.id, study, instance };
}

/** Where series and instances are found, in the order of their ids: some 150 bytes of memory for each. */
async function placesOf(reader: ArchiveReader, level: 'series' | 'instances') {
  const places: { readonly id: OrthancId; readonly study: OrthancId }[] = [];
  for await (const study of allIds(reader, 'studies')) {
    for (const { id } of resourcesOf(await reader.study(study), level)) places.push({ id, study });
  }
  return places.sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The ids of a level, in order; of studies, patients and instances without reading any of them. */
export async function* allIds(reader: ArchiveReader, level: ResourceLevel): AsyncGenerator<OrthancId> {
  if (level === 'instances') {
    for await (const { id } of reader.inventory()) yield id;
  } else if (level === 'series') {
    for (const { id } of await placesOf(reader, level)) yield id;
  } else {
    const ids = (await reader.studies()).map(({ study, patient }) => (level === 'studies' ? study : patient));
    yield* [...new Set(ids)].toSorted();
  }
}

/** All resources in JSON with the parts that are asked for, in the order of their ids, as Orthanc lists them. */
export async function* listedJson(
  reader: ArchiveReader,
  level: ResourceLevel,
  parts: ReadonlySet<ResponsePart>,
): AsyncGenerator<unknown> {
  // The inventory of a mirror: no sidecar and no header is needed for it.
  if (level === 'instances' && [...parts].every((part) => part === 'Attachments')) {
    for await (const entry of reader.inventory()) yield inventoryJson(entry, parts);
    return;
  }
  if (level === 'patients' || level === 'studies') {
    for await (const resource of patientsAndStudies(reader, level)) yield resourceJson(resource, parts);
    return;
  }
  const places = await placesOf(reader, level);
  for (let from = 0; from < places.length; from += rowsAtOnce) {
    const page = places.slice(from, from + rowsAtOnce);
    const rows = new Map<OrthancId, unknown>();
    for (const [study, wanted] of Map.groupBy(page, (place) => place.study)) {
      const ids = new Set(wanted.map(({ id }) => id));
      for (const resource of resourcesOf(await reader.study(study), level)) {
        if (ids.has(resource.id)) rows.set(resource.id, resourceJson(resource, parts));
      }
    }
    for (const { id } of page) if (rows.has(id)) yield rows.get(id);
  }
}

function inventoryJson({ id, md5, sizeBytes }: InventoryEntry, parts: ReadonlySet<ResponsePart>): unknown {
  const Attachments = md5 === undefined || sizeBytes === undefined ? [] : [listedFile({ id, md5, sizeBytes })];
  return { ID: id, Type: 'Instance', FileSize: sizeBytes, ...(parts.has('Attachments') && { Attachments }) };
}

/** A list that is being read page by page. */
interface Cursor {
  readonly key: string;
  readonly items: AsyncIterator<unknown>;
  /** How many items were taken. */
  position: number;
  /** The last of them: a client that wants to be sure begins a page with the end of the one before. */
  last: unknown;
}

const mostCursors = 8;

/**
 * Pages of lists that are too long to be kept: the next page goes on where the last one ended; any other begins anew and
 * passes over what is before it.
 */
export class Pages {
  #cursors: Cursor[] = [];

  /** Reads `limit` items from `since` on. `begin` begins the list that `key` names. */
  async *read(key: string, since: number, limit: number, begin: () => AsyncIterable<unknown>): AsyncGenerator<unknown> {
    const cursor = this.#take(key, since) ?? {
      key,
      items: begin()[Symbol.asyncIterator](),
      position: 0,
      last: undefined,
    };
    let left = limit;
    if (since === cursor.position - 1) {
      yield cursor.last;
      left -= 1;
    }
    while (left > 0) {
      const { value, done } = await cursor.items.next();
      if (done === true) return;
      cursor.position += 1;
      cursor.last = value;
      if (cursor.position <= since) continue;
      left -= 1;
      yield value;
    }
    await this.#keep(cursor);
  }

  /** Ends all lists. */
  async close(): Promise<void> {
    for (const { items } of this.#cursors.splice(0)) await items.return?.();
  }

  #take(key: string, since: number): Cursor | undefined {
    const index = this.#cursors.findIndex(
      (cursor) => cursor.key === key && since > 0 && [cursor.position, cursor.position - 1].includes(since),
    );
    return index === -1 ? undefined : this.#cursors.splice(index, 1)[0];
  }

  async #keep(cursor: Cursor): Promise<void> {
    this.#cursors.push(cursor);
    if (this.#cursors.length > mostCursors) await this.#cursors.shift()?.items.return?.();
  }
}
