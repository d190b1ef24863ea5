/**
 * How far a change feed was followed. Pure; every time is that of our own clock, in whole seconds since 1970.
 *
 * On PostgreSQL a transaction can commit entry 101 after the reader has seen 103. So the end of what was seen is read
 * again a few times, with growing pauses, until the newest entry was seen {@link lateCommitSeconds} ago; the cursor
 * remembers which entries were handled, so that only the late ones are new. Nothing is read twice for longer than that,
 * however long the source is idle.
 */
import type { Change } from '../../stores/change-feed.ts';

/** An entry that becomes visible up to this long after a later one was seen is found; after that, by a comparison. */
export const lateCommitSeconds = 120;
/** Nothing is read again sooner than this. */
const shortestPauseSeconds = 20;
/** So many of the last handled entries are remembered however old they are: by them a replaced feed is recognized. */
export const landmarkEntries = 50;

/** How it is stored, `stored-cursor.ts` tells. */
export interface Cursor {
  /** The highest sequence number that was handled. */
  readonly position: number;
  /** What is behind this sequence number is read again. */
  readonly rereadSince: number;
  /** When something new was seen for the last time. */
  readonly seenAt: number;
  /** When the end of what was seen was read again for the last time. */
  readonly rereadAt: number;
  /** The handled entries behind {@link rereadSince}, in ascending order. */
  readonly handled: readonly HandledEntry[];
}

/** Sequence number, the first eight digits of the resource's id (empty: not kept), and when it was seen. */
export type HandledEntry = readonly [seq: number, idPrefix: string, seenAt: number];

/** @returns a cursor that stands behind `position`, when everything behind `rereadSince` was just read. */
export function cursorAt(position: number, rereadSince: number, nowMs: number): Cursor {
  const now = secondsOf(nowMs);
  return { position, rereadSince, seenAt: now, rereadAt: now, handled: [] };
}

/** Whether the end of what was seen must be read again now. The pauses between two times grow with the silence. */
export function mustReread({ seenAt, rereadAt }: Cursor, nowMs: number): boolean {
  const now = secondsOf(nowMs);
  // A clock that was set back tells nothing of pauses.
  if (now < rereadAt) return true;
  if (rereadAt - seenAt >= lateCommitSeconds) return false;
  return now - rereadAt >= Math.max(shortestPauseSeconds, rereadAt - seenAt);
}

/** The entries of a page that were not handled before. */
export function freshChanges(cursor: Cursor, changes: readonly Change[]): readonly Change[] {
  const handled = new Set(cursor.handled.map(([seq]) => seq));
  return changes.filter(({ seq }) => !handled.has(seq));
}

/** The cursor after `changes`, which were not handled before, were; it forgets what is too old to be read again. */
export function advance(cursor: Cursor, changes: readonly Change[], nowMs: number): Cursor {
  const now = secondsOf(nowMs);
  const position = changes.reduce((highest, { seq }) => Math.max(highest, seq), cursor.position);
  const seen = changes.map(({ seq, id }): HandledEntry => [seq, id.slice(0, 8), now]);
  const all = [...cursor.handled, ...seen].sort(([a], [b]) => a - b);
  const oldest = all.findIndex(([, , seenAt]) => seenAt > now - lateCommitSeconds);
  const kept = Math.max(0, Math.min(oldest === -1 ? all.length : oldest, all.length - landmarkEntries));
  const seenAt = changes.length > 0 ? now : cursor.seenAt;
  const rereadSince = all[kept - 1]?.[0] ?? cursor.rereadSince;
  return { ...cursor, position, rereadSince, seenAt, handled: all.slice(kept) };
}

/** The cursor after the end of what was seen was read again. */
export function reread(cursor: Cursor, nowMs: number): Cursor {
  return { ...advance(cursor, [], nowMs), rereadAt: secondsOf(nowMs) };
}

/**
 * Why the feed can no longer be trusted to continue where the cursor stands, or `undefined` if it can.
 * @param last the last sequence number that the feed ever gave out.
 */
export function replacedReason(cursor: Cursor, last: number): string | undefined {
  if (last >= cursor.position) return undefined;
  return `the change feed ends at ${last}, before the position ${cursor.position} that was reached: the source was restored or replaced`;
}

/** What a feed shows now of the entries that were handled. */
export type Recognition = 'known' | 'other' | 'none-left';

/** @param shown what the feed shows now of the entries up to the position, from {@link Cursor.rereadSince} on. */
export function recognize(cursor: Cursor, shown: readonly Change[]): Recognition {
  const now = new Map(shown.map(({ seq, id }) => [seq, id.slice(0, 8)]));
  let seen = 0;
  for (const [seq, idPrefix] of cursor.handled) {
    const there = now.get(seq);
    if (there === undefined) continue;
    if (!there.startsWith(idPrefix)) return 'other';
    seen += 1;
  }
  return cursor.handled.length > 0 && seen === 0 ? 'none-left' : 'known';
}

function secondsOf(ms: number): number {
  return Math.floor(ms / 1000);
}
