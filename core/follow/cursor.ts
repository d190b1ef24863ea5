/**
 * How far a change feed was followed. Pure.
 *
 * On PostgreSQL a transaction can commit entry 101 after the reader has seen 103, so the follower re-reads the end of
 * what it has seen: at least {@link overlapEntries} entries and {@link overlapSeconds} seconds. The cursor remembers
 * which of them were handled, so that only the late ones are new.
 */
import { z } from 'zod';
import { listOf } from '../json.ts';
import type { Change } from './change-feed.ts';

/** The last so many sequence numbers are read again. */
export const overlapEntries = 1000;
/** Entries that are younger than the newest one by less than this are read again. */
export const overlapSeconds = 60;

/** A handled entry: sequence number, the first eight digits of the resource's id, and the time in seconds. */
const handledSchema = z.tuple([z.int().nonnegative(), z.string(), z.int()]);

export const cursorSchema = z.strictObject({
  /** The highest sequence number that was handled. */
  position: z.int().nonnegative(),
  /** The handled entries that will be read again, in ascending order. */
  handled: listOf(handledSchema),
});
export type Cursor = z.infer<typeof cursorSchema>;

/** From where to read the feed: `since` of the first page. */
export function rereadSince(cursor: Cursor): number {
  const oldest = cursor.handled[0]?.[0] ?? Number.POSITIVE_INFINITY;
  return Math.max(0, Math.min(cursor.position - overlapEntries, oldest - 1));
}

/** The entries of a page that were not handled before. */
export function freshChanges(cursor: Cursor, changes: readonly Change[]): readonly Change[] {
  const handled = new Set(cursor.handled.map(([seq]) => seq));
  return changes.filter(({ seq }) => !handled.has(seq));
}

/** The cursor after `changes` were handled; it forgets what is too old to be read again. */
export function advance(cursor: Cursor, changes: readonly Change[]): Cursor {
  const position = changes.reduce((highest, { seq }) => Math.max(highest, seq), cursor.position);
  const known = new Map(cursor.handled.map((entry) => [entry[0], entry]));
  for (const { seq, id, date } of changes) known.set(seq, [seq, id.slice(0, 8), secondsOf(date)]);
  const newest = Math.max(0, ...[...known.values()].map(([, , seconds]) => seconds));
  const handled = [...known.values()]
    .filter(([seq, , seconds]) => seq > position - overlapEntries || seconds > newest - overlapSeconds)
    .sort(([a], [b]) => a - b);
  return { position, handled };
}

/**
 * Why the feed can no longer be trusted to continue where the cursor stands, or `undefined` if it can.
 * @param reread what the feed shows now of the entries up to the position.
 * @param last the last sequence number that the feed ever gave out.
 */
export function resetReason(cursor: Cursor, reread: readonly Change[], last: number): string | undefined {
  if (last < cursor.position) {
    return `the change feed ends at ${last}, before the position ${cursor.position} that was reached: the source was restored or replaced`;
  }
  const now = new Map(reread.map(({ seq, id }) => [seq, id.slice(0, 8)]));
  let seen = 0;
  for (const [seq, idPrefix] of cursor.handled) {
    const there = now.get(seq);
    if (there === undefined) continue;
    if (there !== idPrefix)
      return `entry ${seq} of the change feed names another resource than before: the source was restored`;
    seen += 1;
  }
  if (cursor.handled.length > 0 && seen === 0)
    return 'none of the entries that were seen is left: the change feed was cleared';
  return undefined;
}

/** `20261121T024600` as seconds since 1970; 0 for a date of another form. */
function secondsOf(date: string): number {
  const iso = date.replace(/^(\d{4})(\d{2})(\d{2})T(\d{2})(\d{2})(\d{2}).*$/, '$1-$2-$3T$4:$5:$6Z');
  const milliseconds = Date.parse(iso);
  return Number.isNaN(milliseconds) ? 0 : Math.floor(milliseconds / 1000);
}
