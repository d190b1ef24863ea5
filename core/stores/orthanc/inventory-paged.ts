/**
 * The inventory of a server that lists in the order of ids, by pages: Orthanc pages by offset, so pages shift when
 * instances come or go before them. Each page therefore begins with the last row of the one before.
 */
import type { CallOptions } from '../../call-options.ts';
import type { InstanceId, OrthancId } from '../../identifiers.ts';
import type { InventoryEntry, InventoryOptions } from '../store.ts';
import { misbehaviour, Progress } from './bounds.ts';
import { entryOf, listedInstancesSchema } from './dicom-attachment.ts';
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

/**
 * A page costs a server 0.65 µs for each of *all* its instances, at every offset, and 25 µs for each row (1.12.7 and 1.13.0,
 * a million rows); so few large pages are cheap. Its memory rises by some 7 KB for each row.
 */
export const rowsOfPage = 15_000;
/** A server may cap its pages, but hardly below this. */
const itemsPerRequest = 10;

/**
 * One request per 15,000 instances (`limit`), and one or two more. Throws `answer-malformed`, which halts, if the server
 * lists in another order, does not get on, or lists more than its limits allow.
 */
export async function* pagedInventory(
  client: OrthancClient,
  options: InventoryOptions,
  limit = rowsOfPage,
): AsyncGenerator<InventoryEntry> {
  const { mostInstances: mostItems } = client.limits;
  const readPage: ReadPage = (offset, rowLimit) => listPage(client, offset, rowLimit, options);
  const { after } = options;
  const offset = after === undefined ? 0 : await offsetBehind(readPage, after, mostItems);
  if (offset === undefined) throw misbehaviour(client.name, `lists more than ${mostItems} instances`);
  const progress = new Progress(client.name, 'instances', { mostItems, itemsPerRequest });
  yield* joinPages(readPage, limit, Math.max(0, offset - 1), after, progress);
}

/** Reads a page of instances with their hashes, in ascending order of id. */
export async function listPage(
  client: OrthancClient,
  offset: number,
  limit: number,
  { signal }: CallOptions,
): Promise<readonly InventoryEntry[]> {
  const path = `/instances?since=${offset}&limit=${limit}&response-content=Attachments`;
  const call = { signal, long: true, ifMalformed: 'halt', statusCodes: { 404: 'not-orthanc' } } as const;
  const rows = await client.getJson(path, listedInstancesSchema, call);
  const entries = rows.map(({ ID, Attachments }) => entryOf(ID, Attachments));
  requireAscending(client.name, 'instances', entries);
  return entries;
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
  progress: Pick<Progress, 'request' | 'found'>,
): AsyncGenerator<Row> {
  let last = after;
  let offset = firstOffset;
  let stride = 1;
  for (;;) {
    progress.request();
    const page = await readPage(offset, limit);
    const [first] = page;
    if (offset > 0 && (first === undefined || last === undefined || first.id > last)) {
      offset = Math.max(0, offset - stride);
      stride *= 2;
      continue;
    }
    stride = 1;
    const before = last;
    const entries = page.filter(({ id }) => before === undefined || id > before);
    progress.found(entries.length);
    yield* entries;
    last = entries.at(-1)?.id ?? last;
    if (page.length <= 1) return;
    offset += page.length - 1;
  }
}

/**
 * @returns the offset of the first row whose id is greater than `after`, in about 2 log2(n) requests of one row;
 *   `undefined` if it is greater than `most`.
 */
export async function offsetBehind(readPage: ReadPage, after: InstanceId, most: number): Promise<number | undefined> {
  const isBehind = async (offset: number) => {
    const [row] = await readPage(offset, 1);
    return row === undefined || row.id > after;
  };
  let low = 0;
  let high = 1;
  while (!(await isBehind(high - 1))) {
    if (high > most) return undefined;
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

/** Throws `answer-malformed`, which halts, if a page is not in the order of ids: pages of another order cannot be joined. */
export function requireAscending(name: string, what: string, rows: readonly ListedRow[]): void {
  const isAscending = rows.every(({ id }, index) => {
    const before = rows[index - 1];
    return before === undefined || before.id < id;
  });
  if (!isAscending) throw misbehaviour(name, `does not list its ${what} in the order of their ids`);
}
