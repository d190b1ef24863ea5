/** Orthanc's change feed, with guards around its traps. */
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import { isOrthancId, type ResourceLevel } from '../../identifiers.ts';
import { listOf } from '../../json.ts';
import type { Change, ChangePage } from '../change-feed.ts';
import { misbehaviour, Progress } from './bounds.ts';
import type { OrthancClient } from './http-client.ts';

const levels = {
  Patient: 'patients',
  Study: 'studies',
  Series: 'series',
  Instance: 'instances',
} as const satisfies Record<string, ResourceLevel>;

const changeSchema = z
  .object({
    Seq: z.int(),
    ChangeType: z.string(),
    ResourceType: z.enum(['Patient', 'Study', 'Series', 'Instance']),
    ID: z.string().refine(isOrthancId),
    Date: z.string(),
  })
  .transform(
    ({ Seq, ChangeType, ResourceType, ID, Date: date }): Change => ({
      seq: Seq,
      type: ChangeType,
      level: levels[ResourceType],
      id: ID,
      date,
    }),
  );

const pageSchema = z.object({ Changes: listOf(changeSchema), Done: z.boolean(), Last: z.int() });

/** Sequence numbers are 32 bits wide in Orthanc's answers and arguments (SDO FormatLog, SQLite ColumnInt). */
const largestSequence = 2 ** 31 - 1;

/** Entries asked for at once when all are read: 1.5 MB, 0.03 s, 14 MB of the server's memory. Versions before 1.6.0 give 100. */
const pageLimit = 5000;
const itemsPerRequest = 10;
/** An instance may have an entry of its own, and its share of those of its series, study and patient, again and again. */
const entriesPerInstance = 8;

export interface ReadChangesQuery extends CallOptions {
  /** Entries above this sequence number. */
  readonly since: number;
  /** At most this many, 1 or more: Orthanc takes 0 for all, and then tells a wrong end. */
  readonly limit: number;
}

/**
 * Reads a page of the feed in ascending order. Entries of deleted resources are gone, and deletions are not announced.
 * Throws `answer-malformed` when the feed has outgrown its 32 bits: only an inventory tells the truth then; and, which
 * halts, when the page is not the one that was asked for.
 */
export async function readChanges(client: OrthancClient, query: ReadChangesQuery): Promise<ChangePage> {
  const { since, limit, signal } = query;
  if (!Number.isInteger(limit) || limit < 1) throw new RangeError('a page of changes holds at least one');
  if (!Number.isInteger(since) || since < 0 || since > largestSequence) throw overflown(client.name);
  const page = await readPage(client, `/changes?since=${since}&limit=${limit}`, { signal });
  const problem = problemOf(page, query);
  if (problem !== undefined) throw misbehaviour(client.name, `answers /changes with ${problem}`);
  return { changes: page.Changes, done: page.Done, last: page.Last };
}

/**
 * Reads all pages behind `since`, to the end of the feed. Throws as {@link readChanges}, and if the feed does not get
 * on, or has more entries than the limits of the server allow.
 */
export async function* changePages(
  client: OrthancClient,
  { since: start, signal }: Omit<ReadChangesQuery, 'limit'>,
): AsyncGenerator<ChangePage> {
  const mostItems = client.limits.mostInstances * entriesPerInstance;
  const progress = new Progress(client.name, 'changes', { mostItems, itemsPerRequest });
  for (let since = start; ; ) {
    progress.request();
    const page = await readChanges(client, { since, limit: pageLimit, signal });
    progress.found(page.changes.length);
    yield page;
    if (page.done) return;
    since = page.last;
  }
}

/** Why a page cannot be the answer to its query: a cache may ignore `since`, another database has other numbers. */
function problemOf(
  { Changes: changes, Done: done, Last: last }: z.output<typeof pageSchema>,
  { since, limit }: ReadChangesQuery,
): string | undefined {
  if (changes.length > limit) return 'more entries than were asked for';
  let before = since;
  for (const { seq } of changes) {
    if (seq <= before) return before === since ? 'entries that lie before what was asked for' : 'entries out of order';
    before = seq;
  }
  if (last < before && changes.length > 0) return 'an end that lies before its entries';
  return !done && last <= since ? 'the news that more follows, and an end that does not move' : undefined;
}

/** The highest sequence number ever given out; 0 if there was none. `last` wins over all other arguments: alone. */
export async function lastChange(client: OrthancClient, options: CallOptions): Promise<number> {
  return (await readPage(client, '/changes?last', options)).Last;
}

async function readPage(
  client: OrthancClient,
  path: string,
  { signal }: CallOptions,
): Promise<z.output<typeof pageSchema>> {
  const call = { signal, ifMalformed: 'halt', statusCodes: { 404: 'not-orthanc' } } as const;
  const page = await client.getJson(path, pageSchema, call);
  if (page.Last < 0 || page.Changes.some(({ seq }) => seq < 0)) throw overflown(client.name);
  return page;
}

function overflown(name: string): MirrorError {
  const what = 'its sequence numbers have outgrown 32 bits; compare the inventories instead';
  const message = `${name} has a change feed that cannot be followed: ${what}`;
  return new MirrorError('answer-malformed', message, { disposition: 'halt', store: name });
}
