/**
 * The inventory of a server that lists in the order of ids, by pages: Orthanc pages by offset, so pages shift when
 * instances come or go before them. Each page therefore begins with the last row of the one before.
 */
import { z } from 'zod';
import type { InstanceId, OrthancId } from '../../identifiers.ts';
import type { InventoryEntry, InventoryOptions } from '../store.ts';
import { attachmentSchema, entryOf, instanceIdSchema } from './dicom-attachment.ts';
import { malformedAnswer } from './failures.ts';
import type { OrthancClient } from './http-client.ts';

/** Reads `limit` rows of a list in ascending order of id, from an offset. */
export type ReadPage<Row extends ListedRow = InventoryEntry> = (
  offset: number,
  limit: number,
) => Promise<readonly Row[]>;

/** A row of a list that is in the order of ids. */
export interface ListedRow {
  readonly id: OrthancId;
}

const pageLimit = 1001;

const pageSchema = z.array(z.object({ ID: instanceIdSchema, Attachments: z.array(attachmentSchema) }));

/** One request per 1,000 instances (`limit`), and one or two more. */
export async function* pagedInventory(
  client: OrthancClient,
  options: InventoryOptions,
  limit = pageLimit,
): AsyncGenerator<InventoryEntry> {
  const readPage: ReadPage = async (offset, rowLimit) => {
    const path = `/instances?since=${offset}&limit=${rowLimit}&response-content=Attachments`;
    const { signal } = options;
    const rows = await client.getJson(path, pageSchema, { signal, long: true, statusCodes: { 404: 'not-orthanc' } });
    const entries = rows.map(({ ID, Attachments }) => entryOf(ID, Attachments));
    requireAscending(client.name, path, entries);
    return entries;
  };
  const { after } = options;
  const offset = after === undefined ? 0 : await offsetBehind(readPage, after);
  yield* joinPages(readPage, limit, Math.max(0, offset - 1), after);
}

/**
 * Joins pages that may shift into one list that lists everything that existed from the begin to the end, once.
 *
 * A page that begins with an id not greater than the last one listed leaves no gap, whatever was inserted or deleted,
 * because a page is one query of the server. If it begins later, rows before it were deleted: step back, in strides
 * that double, until it does. The end is a page without anything new in which only that overlap is left: a shorter
 * page than asked for would not do, because a server may cap its pages.
 */
export async function* joinPages<Row extends ListedRow>(
  readPage: ReadPage<Row>,
  limit: number,
  firstOffset: number,
  after: Row['id'] | undefined,
): AsyncGenerator<Row> {
  let last = after;
  let offset = firstOffset;
  let stride = 1;
  for (;;) {
    const page = await readPage(offset, limit);
    const [first] = page;
    if (offset > 0 && (first === undefined || last === undefined || first.id > last)) {
      offset = Math.max(0, offset - stride);
      stride *= 2;
      continue;
    }
    stride = 1;
    for (const entry of page) {
      if (last !== undefined && entry.id <= last) continue;
      last = entry.id;
      yield entry;
    }
    if (page.length <= 1) return;
    offset += page.length - 1;
  }
}

/** @returns the offset of the first row whose id is greater than `after`, in about 2 log2(n) requests of one row. */
export async function offsetBehind(readPage: ReadPage, after: InstanceId): Promise<number> {
  const isBehind = async (offset: number) => {
    const [row] = await readPage(offset, 1);
    return row === undefined || row.id > after;
  };
  let low = 0;
  let high = 1;
  while (!(await isBehind(high - 1))) {
    low = high;
    high *= 2;
  }
  high -= 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await isBehind(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Throws `answer-malformed` if a page is not in the order of ids: pages of another order cannot be joined. */
export function requireAscending(name: string, path: string, rows: readonly ListedRow[]): void {
  const isAscending = rows.every(({ id }, index) => {
    const before = rows[index - 1];
    return before === undefined || before.id < id;
  });
  if (!isAscending) throw malformedAnswer(name, path, 'it is not in the order of ids');
}
