/**
 * A cursor as it is stored: a kilobyte or two, whatever the feed did, because it is written every minute and every version
 * of it may be kept for years. Nothing of the cursor's guarantees is lost: which entries were handled is kept exactly,
 * times only where they still decide something, ids of the last entries only. Pure.
 */
import * as z from 'zod';
import { MirrorError } from '../../errors.ts';
import { type Cursor, landmarkEntries, lateCommitSeconds } from './cursor.ts';

const idDigits = 8;

/** Ten times what the busiest server could log meanwhile. */
const mostHandled = 1_000_000;

export const storedCursorSchema = z.strictObject({
  position: z.int().nonnegative(),
  rereadSince: z.int().nonnegative(),
  seenAt: z.int(),
  rereadAt: z.int(),
  /** The handled entries as runs: `17-1040,1042`. */
  handled: z.string().regex(/^(?:\d+(?:-\d+)?(?:,(?!$)|$))*$/),
  /** The first eight digits of the ids of the last of them. */
  ids: z.string().regex(/^(?:[0-9a-f]{8})*$/),
  /** Their times in seconds since 1970, in the same order, each with how many in a row have it: `0*940,1795219200*100`. */
  times: z.string().regex(/^(?:\d+\*\d+(?:,(?!$)|$))*$/),
});
export type StoredCursor = z.infer<typeof storedCursorSchema>;

export function storeCursor({ handled, ...rest }: Cursor): StoredCursor {
  const newest = handled.reduce((latest, [, , seconds]) => Math.max(latest, seconds), 0);
  // A time that is too old to keep an entry never decides anything again.
  const times = handled.map(([, , seconds]) => (seconds > newest - lateCommitSeconds ? seconds : 0));
  return {
    ...rest,
    handled: runsOf(handled.map(([seq]) => seq)),
    ids: handled
      .slice(-landmarkEntries)
      .map(([, id]) => id)
      .join(''),
    times: inRows(times)
      .map(([seconds, count]) => `${seconds}*${count}`)
      .join(','),
  };
}

/** Throws `archive-format` if the parts do not fit each other, which only a foreign hand can cause. */
export function restoreCursor({ handled, ids, times, ...rest }: StoredCursor): Cursor {
  const runs = pairsIn(handled, '-');
  const rows = pairsIn(times, '*');
  const count = runs.reduce((sum, [first, last = first]) => sum + last - first + 1, 0);
  const timed = rows.reduce((sum, [, rowLength = 0]) => sum + rowLength, 0);
  if (count !== timed || count > mostHandled || ids.length > count * idDigits) throw damaged();
  const seqs = runs.flatMap(([first, last = first]) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
  const seconds = rows.flatMap(([value, rowLength = 0]) => Array<number>(rowLength).fill(value));
  const withoutId = count - ids.length / idDigits;
  return {
    ...rest,
    handled: seqs.map((seq, index) => {
      const at = (index - withoutId) * idDigits;
      return [seq, at < 0 ? '' : ids.slice(at, at + idDigits), seconds[index] ?? 0];
    }),
  };
}

function damaged(): MirrorError {
  const hint = 'delete state/progress.json of the archive: everything is compared again then';
  return new MirrorError('archive-format', `the cursor of the change feed is damaged; ${hint}`);
}

function runsOf(seqs: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const seq of seqs) {
    const run = runs.at(-1);
    if (run !== undefined && run[1] + 1 === seq) run[1] = seq;
    else runs.push([seq, seq]);
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

function inRows(values: readonly number[]): readonly (readonly [number, number])[] {
  const rows: [number, number][] = [];
  for (const value of values) {
    const row = rows.at(-1);
    if (row !== undefined && row[0] === value) row[1] += 1;
    else rows.push([value, 1]);
  }
  return rows;
}

function pairsIn(text: string, separator: string): readonly (readonly [number, number?])[] {
  if (text === '') return [];
  return text.split(',').map((pair) => {
    const [first = 0, second] = pair.split(separator).map(Number);
    return second === undefined ? [first] : [first, second];
  });
}
