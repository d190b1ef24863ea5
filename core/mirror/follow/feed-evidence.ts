/**
 * Whether a change feed is still that of the same database: some entries of it are remembered, and asked for again. Pure
 * but for the asking. Sequence numbers are never given out twice (seen on 1.10.1 and 1.13.0), so an entry that names
 * something else is one of another database; a server that was restored from a backup of its own still has the older ones.
 */
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { isOrthancId, type OrthancId } from '../../identifiers.ts';
import { listOf } from '../../json.ts';
import type { Change, ChangeFeed } from '../../stores/change-feed.ts';

const entrySchema = z.strictObject({
  seq: z.int().nonnegative(),
  type: z.string(),
  id: z.custom<OrthancId>(isOrthancId),
  date: z.string(),
});
/** An entry of the feed, as far as it is remembered. */
export type EvidenceEntry = z.infer<typeof entrySchema>;

export const evidenceSchema = z.strictObject({
  /** The last sequence number that the feed had given out. */
  last: z.int().nonnegative(),
  entries: listOf(entrySchema),
});
/** What is remembered of a feed: its first entries, and some spread over it. */
export type FeedEvidence = z.infer<typeof evidenceSchema>;

export const noEvidence: FeedEvidence = { last: 0, entries: [] };

/** What asking again showed: the same database, another one, or nothing that tells (all of it was deleted, or cleared). */
export type EvidenceVerdict = 'same' | 'other' | 'none';

/** The first so many entries are remembered: a database that is restored has them, whatever the age of its backup. */
const firstEntries = 4;
/** Parts of the feed of which one entry each is remembered. */
const parts = 4;

/** Reads what is to be remembered: a handful of small requests; one if the feed is empty. */
export async function gatherEvidence(feed: ChangeFeed, options: CallOptions = {}): Promise<FeedEvidence> {
  const last = await feed.lastChange(options);
  if (last === 0) return noEvidence;
  const first = await feed.readChanges({ since: 0, limit: firstEntries, ...options });
  const found = new Map(first.changes.map((change) => [change.seq, entryOf(change)]));
  for (let part = 1; part <= parts; part += 1) {
    const change = await firstAfter(feed, Math.floor((last * part) / parts) - 1, options);
    if (change !== undefined) found.set(change.seq, entryOf(change));
  }
  return { last, entries: [...found.values()].toSorted((a, b) => a.seq - b.seq) };
}

/** Asks for the remembered entries again: one small request each, until one of them is there. */
export async function judgeEvidence(
  feed: ChangeFeed,
  { entries }: FeedEvidence,
  options: CallOptions = {},
): Promise<EvidenceVerdict> {
  let verdict: EvidenceVerdict = 'none';
  for (const entry of entries) {
    const found = await firstAfter(feed, entry.seq - 1, options);
    if (found === undefined || found.seq !== entry.seq) continue;
    if (found.id === entry.id && found.type === entry.type && found.date === entry.date) return 'same';
    verdict = 'other';
  }
  return verdict;
}

async function firstAfter(feed: ChangeFeed, since: number, options: CallOptions): Promise<Change | undefined> {
  return (await feed.readChanges({ since: Math.max(0, since), limit: 1, ...options })).changes[0];
}

function entryOf({ seq, type, id, date }: Change): EvidenceEntry {
  return { seq, type, id, date };
}
