/**
 * The inventory of a server that lists in the order of ids, by pages: Orthanc pages by offset, so pages shift when
 * instances come or go before them. Each page therefore begins with the last row of the one before.
 */
import type { CallOptions } from '../../call-options.ts';
import type { InstanceId, OrthancId } from '../../identifiers.ts';
import type { InventoryEntry, InventoryOptions } from '../store.ts';
import { misbehaviour, Progress } from './bounds.ts';
import { entryOf, listedInstancesSchema } from './dicom-attachment.ts';
import type { JsonOptions, OrthancClient } from './http-client.ts';
import { countInstances } from './inventory-feed.ts';

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
 * a million rows); so few large pages are cheap. Its memory rises by some 5 KB for each row, for each of its threads that
 * answers: 100 MB, if the pages come over one connection. With a million rows 7,500, 15,000, 20,000 and 30,000 rows cost
 * 131, 87, 69 and 55 s of its time and 37, 75, 100 and 138 MB.
 */
export const rowsOfPage = 20_000;
/** A server may cap its pages, but hardly below this. */
const itemsPerRequest = 10;

/**
 * One request per 20,000 instances (`limit`), and one or two more. Throws `answer-malformed`, which halts, if the server
 * lists in another order, does not get on, or lists more than its limits allow.
 */
export async function* pagedInventory(
  client: OrthancClient,
  { after, signal }: InventoryOptions,
  limit = rowsOfPage,
): AsyncGenerator<InventoryEntry> {
  const readPage: ReadPage = (offset, rows) => listPage(client, offset, rows, { signal });
  const count = after === undefined ? 0 : await countInstances(client, { signal });
  yield* listInPages(client, readPage, { what: 'instances', limit, itemsPerRequest, after, count });
}

export interface PagesOptions<Row extends ListedRow> {
  /** What is listed, for messages: `instances`. */
  readonly what: string;
  /** Rows of a page. */
  readonly limit: number;
  /** New rows that a request must bring on average. */
  readonly itemsPerRequest: number;
  /** Begins behind this row, … */
  readonly after?: Row['id'] | undefined;
  /** … of about so many. */
  readonly count: number;
}

/** Lists what there is in the order of ids, page by page. Throws as {@link pagedInventory}. */
export async function* listInPages<Row extends ListedRow>(
  client: OrthancClient,
  readPage: ReadPage<Row>,
  { what, limit, itemsPerRequest: least, after, count }: PagesOptions<Row>,
): AsyncGenerator<Row> {
  const { mostInstances: mostItems } = client.limits;
  const progress = new Progress(client.name, what, { mostItems, itemsPerRequest: least });
  yield* joinPages(readPage, limit, after === undefined ? 0 : offsetBefore(after, count), after, progress);
}

/**
 * Where a list of so many rows is begun to go on behind an id. Ids are hashes, so that its place among all possible ids tells
 * about how many rows come before it; rather too few (by four standard deviations), because a page that begins too late is
 * read in vain. It is a guess: {@link joinPages} finds out.
 */
export function offsetBefore(id: OrthancId, count: number): number {
  const place = Number.parseInt(id.slice(0, 8), 16) / 2 ** 32;
  return Math.max(0, Math.floor(place * count - 2 * Math.sqrt(count)));
}

/** Reads a page of instances with their hashes, in ascending order of id. */
async function listPage(
  client: OrthancClient,
  offset: number,
  limit: number,
  { signal, onReceived }: Pick<JsonOptions, 'signal' | 'onReceived'>,
): Promise<readonly InventoryEntry[]> {
  const path = `/instances?since=${offset}&limit=${limit}&response-content=Attachments`;
  const call = { signal, onReceived, long: true, ifMalformed: 'halt', statusCodes: { 404: 'not-orthanc' } } as const;
  const rows = await client.getJson(path, listedInstancesSchema, call);
  const entries = rows.map(({ ID, Attachments }) => entryOf(ID, Attachments));
  requireAscending(client.name, 'instances', entries);
  return entries;
}

/** A page that was asked for. */
interface BegunPage {
  readonly offset: number;
  readonly entries: Promise<readonly InventoryEntry[]>;
  isReceived: boolean;
  /** What is to be done when it is. */
  goOn?: (() => void) | undefined;
}

/**
 * Pages of instances, one right behind the other. Orthanc answers each connection by another thread, which keeps the memory
 * that a page took (100 MB), and closes one that is idle for a second; so the next page is asked for as soon as one is received,
 * before it is read, and at most one in advance.
 */
export class InstancePages {
  readonly #client: OrthancClient;
  readonly #limit: number;
  #next: BegunPage | undefined;

  constructor(client: OrthancClient, limit: number) {
    this.#client = client;
    this.#limit = limit;
  }

  /** @returns the page at an offset, or the one that was asked for in advance, if it tells of `id` */
  async read(
    id: InstanceId,
    offset: number,
    { isNextWanted, signal }: CallOptions & { readonly isNextWanted: boolean },
  ): Promise<readonly InventoryEntry[]> {
    const begun = this.#next;
    this.#next = undefined;
    const take = (page: BegunPage) => {
      const goOn = () => {
        this.#next = this.#begin(page.offset + this.#limit, { signal });
      };
      if (!isNextWanted) return page.entries;
      if (page.isReceived) goOn();
      else page.goOn = goOn;
      return page.entries;
    };
    const page = begun && (await take(begun));
    return page !== undefined && tellsOf(page, id) ? page : take(this.#begin(offset, { signal }));
  }

  #begin(offset: number, { signal }: CallOptions): BegunPage {
    const onReceived = () => {
      page.isReceived = true;
      page.goOn?.();
      page.goOn = undefined;
    };
    const entries = listPage(this.#client, offset, this.#limit, { signal, onReceived });
    // What it throws is thrown to whoever wants it.
    entries.catch(() => undefined);
    const page: BegunPage = { offset, entries, isReceived: false };
    return page;
  }
}

/** Whether a page would tell of an instance if the server held it. */
function tellsOf(page: readonly InventoryEntry[], id: InstanceId): boolean {
  const [first, last] = [page.at(0), page.at(-1)];
  return first !== undefined && last !== undefined && first.id <= id && id <= last.id;
}

/**
 * Joins pages that may shift into one list that lists everything that existed from the begin to the end, once.
 *
 * A page that begins with an id not greater than the last one listed leaves no gap, whatever was inserted or deleted,
 * because a page is one query of the server. If it begins later, rows before it were deleted: step back, in strides
 * that double, until it does. The end is a page without anything new in which only that overlap is left: a shorter
 * page than asked for would not do, because a server may cap its pages.
 * @param firstOffset where it is begun: anywhere, if it is to go on behind a row; a guess that is far off costs requests
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

/** Throws `answer-malformed`, which halts, if a page is not in the order of ids: pages of another order cannot be joined. */
export function requireAscending(name: string, what: string, rows: readonly ListedRow[]): void {
  const isAscending = rows.every(({ id }, index) => {
    const before = rows[index - 1];
    return before === undefined || before.id < id;
  });
  if (!isAscending) throw misbehaviour(name, `does not list its ${what} in the order of their ids`);
}
