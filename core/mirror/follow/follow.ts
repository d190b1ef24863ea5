import type { CallOptions } from '../../call-options.ts';
import type { Change, ChangeFeed, ChangePage } from '../../stores/change-feed.ts';
import {
  advance,
  type Cursor,
  cursorAt,
  freshChanges,
  mustReread,
  recognize,
  replacedReason,
  reread,
} from './cursor.ts';

const pageLimit = 1000;
/** At the beginning, so many entries of the past count as handled, so that a late one among them is recognized. */
const firstOverlap = 1000;

/** A step of following: changes to handle with the cursor that holds once they are, or the end of trust. */
export type FollowStep =
  | {
      readonly kind: 'changes';
      readonly changes: readonly Change[];
      readonly cursor: Cursor;
      /** About so many entries of the feed are still to be read; absent where these are the last. */
      readonly following?: number | undefined;
    }
  | { readonly kind: 'reset'; readonly reason: string };

export interface FollowOptions extends CallOptions {
  /** Our clock. */
  readonly nowMs: number;
}

/**
 * A cursor at the present end of the feed. What the feed shows now counts as handled: an inventory that begins after
 * this call lists it. What commits later shows up as fresh.
 */
export async function cursorAtEnd(feed: ChangeFeed, { nowMs, ...call }: FollowOptions): Promise<Cursor> {
  const last = await feed.lastChange(call);
  const begin = Math.max(0, last - firstOverlap);
  let cursor = cursorAt(last, begin, nowMs);
  for await (const { changes } of feed.changePages({ since: begin, ...call })) cursor = advance(cursor, changes, nowMs);
  return cursor;
}

/** Whether {@link followChanges} would yield nothing now; at most one request. */
export async function isQuiet(feed: ChangeFeed, cursor: Cursor, { nowMs, ...call }: FollowOptions): Promise<boolean> {
  return !mustReread(cursor, nowMs) && isNothing(cursor, await readBehind(feed, cursor, call));
}

/**
 * Reads the feed from the cursor to its present end. The caller handles the changes of a step and then keeps its cursor;
 * if it does not get that far, the same changes come again next time. A feed with nothing new yields nothing and costs
 * one request with an empty answer; where its end is due to be read again, a step without changes.
 */
export async function* followChanges(
  feed: ChangeFeed,
  start: Cursor,
  { nowMs, ...call }: FollowOptions,
): AsyncGenerator<FollowStep> {
  if (!mustReread(start, nowMs)) {
    const page = await readBehind(feed, start, call);
    if (isNothing(start, page)) return;
    const isRecent = replacedReason(start, page.last) === undefined && !mustReread(seenNow(start, nowMs), nowMs);
    if (isRecent) {
      yield* readOn(feed, start, page, { nowMs, ...call });
      return;
    }
  }
  yield* readAgain(feed, start, { nowMs, ...call });
}

function readBehind(feed: ChangeFeed, { position }: Cursor, call: CallOptions): Promise<ChangePage> {
  return feed.readChanges({ since: position, limit: pageLimit, ...call });
}

function isNothing(cursor: Cursor, { changes, last }: ChangePage): boolean {
  return changes.length === 0 && replacedReason(cursor, last) === undefined;
}

/** As if something new had been seen now: after a silence the feed is recognized before its news are believed. */
function seenNow(cursor: Cursor, nowMs: number): Cursor {
  return { ...cursor, seenAt: Math.floor(nowMs / 1000) };
}

/** Yields what is new on a page and on those behind it. */
async function* readOn(
  feed: ChangeFeed,
  start: Cursor,
  first: ChangePage,
  { nowMs, ...call }: FollowOptions,
): AsyncGenerator<FollowStep> {
  let cursor = start;
  let end: number | undefined;
  for await (const page of pagesFrom(feed, first, call)) {
    const changes = freshChanges(cursor, page.changes);
    if (changes.length === 0) continue;
    cursor = advance(cursor, changes, nowMs);
    if (!page.done) end ??= await feed.lastChange(call);
    yield { kind: 'changes', changes, cursor, following: page.done ? undefined : (end ?? 0) - page.last };
  }
}

async function* pagesFrom(feed: ChangeFeed, first: ChangePage, call: CallOptions): AsyncGenerator<ChangePage> {
  yield first;
  if (!first.done) yield* feed.changePages({ since: first.last, ...call });
}

/** Reads the end of what was seen again, recognizes the feed by it, and goes on with what is new. */
async function* readAgain(feed: ChangeFeed, start: Cursor, options: FollowOptions): AsyncGenerator<FollowStep> {
  const { nowMs, ...call } = options;
  const shown: Change[] = [];
  for await (const page of feed.changePages({ since: start.rereadSince, ...call })) {
    shown.push(...page.changes);
    if (!page.done && page.last < start.position) continue;
    const reason = await resetReason(feed, start, { shown, last: page.last }, call);
    if (reason !== undefined) {
      yield { kind: 'reset', reason };
      return;
    }
    const late = freshChanges(start, shown);
    const cursor = reread(advance(start, late, nowMs), nowMs);
    const following = page.done ? undefined : (await feed.lastChange(call)) - page.last;
    yield { kind: 'changes', changes: late, cursor, following };
    if (!page.done) yield* readOn(feed, cursor, { changes: [], done: false, last: page.last }, options);
    return;
  }
}

async function resetReason(
  feed: ChangeFeed,
  start: Cursor,
  { shown, last }: { readonly shown: readonly Change[]; readonly last: number },
  call: CallOptions,
): Promise<string | undefined> {
  // The newest entries may have gone with their resources; only the feed's own count tells a restored source.
  const reason = replacedReason(start, last < start.position ? await feed.lastChange(call) : last);
  if (reason !== undefined) return reason;
  switch (recognize(start, shown)) {
    case 'known':
      return undefined;
    case 'other':
      return 'the change feed names other resources than before: the source was restored';
    case 'none-left':
      return (await isCleared(feed, start, call))
        ? 'none of the entries that were seen is left: the change feed was cleared'
        : undefined;
  }
}

/** Whether nothing at all is left of the feed up to the position; else only the newest resources were deleted. */
async function isCleared(feed: ChangeFeed, { position }: Cursor, call: CallOptions): Promise<boolean> {
  const [first] = (await feed.readChanges({ since: 0, limit: 1, ...call })).changes;
  return first === undefined || first.seq > position;
}
