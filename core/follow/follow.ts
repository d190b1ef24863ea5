import type { CallOptions } from '../stores/store.ts';
import type { Change, ChangeFeed } from './change-feed.ts';
import { advance, type Cursor, freshChanges, overlapEntries, rereadSince, resetReason } from './cursor.ts';

/** A step of following: changes to handle with the cursor that holds once they are, or the end of trust. */
export type FollowStep =
  | { readonly kind: 'changes'; readonly changes: readonly Change[]; readonly cursor: Cursor }
  | { readonly kind: 'reset'; readonly reason: string };

/**
 * A cursor at the present end of the feed. What the feed shows now counts as handled: an inventory that begins after
 * this call lists it. What commits later shows up as fresh.
 */
export async function cursorAtEnd(feed: ChangeFeed, options: CallOptions = {}): Promise<Cursor> {
  const last = await feed.lastChange(options);
  let cursor: Cursor = { position: last, handled: [] };
  for await (const page of feed.changePages({ since: Math.max(0, last - overlapEntries), ...options })) {
    cursor = advance(cursor, page.changes);
  }
  return cursor;
}

/**
 * Reads the feed from the cursor to its present end, overlap first. The caller handles the changes of a step and then
 * keeps its cursor; if it does not get that far, the same changes come again next time. A feed with nothing new yields
 * nothing and costs one request.
 */
export async function* followChanges(
  feed: ChangeFeed,
  start: Cursor,
  options: CallOptions = {},
): AsyncGenerator<FollowStep> {
  let cursor = start;
  let reread: Change[] | undefined = [];
  for await (const page of feed.changePages({ since: rereadSince(cursor), ...options })) {
    if (reread !== undefined) {
      reread.push(...page.changes);
      if (page.done || page.last >= cursor.position) {
        // The newest entries may have gone with their resources; only the feed's own count tells a restored source.
        const last = page.last < cursor.position ? await feed.lastChange(options) : page.last;
        const reason = resetReason(start, reread, last);
        if (reason !== undefined) {
          yield { kind: 'reset', reason };
          return;
        }
        reread = undefined;
      }
    }
    const changes = freshChanges(cursor, page.changes);
    if (changes.length > 0) {
      cursor = advance(cursor, changes);
      yield { kind: 'changes', changes, cursor };
    }
  }
}
