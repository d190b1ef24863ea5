/** Orthanc's change feed, with guards around its traps. */
import { z } from 'zod';
import { MirrorError } from '../../errors.ts';
import type { Change, ChangePage } from '../../follow/change-feed.ts';
import { isOrthancId, type ResourceLevel } from '../../identifiers.ts';
import type { CallOptions } from '../store.ts';
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

const pageSchema = z.object({ Changes: z.array(changeSchema), Done: z.boolean(), Last: z.int() });

/** Sequence numbers are 32 bits wide in Orthanc's answers and arguments (SDO FormatLog, SQLite ColumnInt). */
const largestSequence = 2 ** 31 - 1;

export interface ReadChangesQuery extends CallOptions {
  /** Entries above this sequence number. */
  readonly since: number;
  /** At most this many, 1 or more: Orthanc takes 0 for all, and then tells a wrong end. */
  readonly limit: number;
}

/**
 * Reads a page of the feed in ascending order. Entries of deleted resources are gone, and deletions are not announced.
 * Throws `answer-malformed` when the feed has outgrown its 32 bits: only an inventory tells the truth then.
 */
export async function readChanges(client: OrthancClient, query: ReadChangesQuery): Promise<ChangePage> {
  const { since, limit, signal } = query;
  if (!Number.isInteger(limit) || limit < 1) throw new RangeError('a page of changes holds at least one');
  if (!Number.isInteger(since) || since < 0 || since > largestSequence) throw overflown(client.name);
  const page = await readPage(client, `/changes?since=${since}&limit=${limit}`, { signal });
  return { changes: page.Changes, done: page.Done, last: page.Last };
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
  const page = await client.getJson(path, pageSchema, { signal, statusCodes: { 404: 'not-orthanc' } });
  if (page.Last < 0 || page.Changes.some(({ seq }) => seq < 0)) throw overflown(client.name);
  return page;
}

function overflown(name: string): MirrorError {
  const what = 'its sequence numbers have outgrown 32 bits; compare the inventories instead';
  return new MirrorError('answer-malformed', `${name} has a change feed that cannot be followed: ${what}`, {
    store: name,
  });
}
