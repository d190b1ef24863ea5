/**
 * How far destinations are behind, measured at the destinations: a sample of what the source got lately is looked up in
 * each of them until it is there. Pure.
 */
import * as z from 'zod';
import { type InstanceId, isInstanceId } from '../../identifiers.ts';
import { listOf } from '../../json.ts';
import type { Change } from '../../stores/change-feed.ts';

export const sampleSchema = z.strictObject({
  id: z.custom<InstanceId>(isInstanceId),
  /** When the source got it, in seconds since 1970. */
  atSeconds: z.int().nonnegative(),
  /** Names of the destinations in which it was not found yet. */
  missingAt: listOf(z.string()),
});
/** An instance of the source that is looked up in the destinations. */
export type Sample = z.infer<typeof sampleSchema>;

/** Instances of one run that join the sample. */
const mostNewSamples = 20;
/** Instances that are looked up at most; of more, the oldest and the newest half are kept. */
const mostSamples = 200;
/** What is still missing then was rejected or conflicts: dead letters and comparisons tell it, the lag does not. */
const forgetAfterSeconds = 7 * 86_400;

/** What is to be looked up: what was missing before, and some of what is new, the newest always. */
export function nextSamples(
  before: readonly Sample[],
  changes: readonly Change[],
  destinations: readonly string[],
  nowSeconds: number,
): Sample[] {
  const known = new Set(before.map(({ id }) => id));
  const arrived = changes.flatMap(({ type, id, date }): Sample[] =>
    type === 'NewInstance' && isInstanceId(id) && !known.has(id)
      ? [{ id, atSeconds: secondsOfChange(date) ?? nowSeconds, missingAt: [...destinations] }]
      : [],
  );
  const kept = before.filter(({ atSeconds }) => nowSeconds - atSeconds < forgetAfterSeconds);
  const all = [...kept, ...spread(arrived, mostNewSamples)];
  const half = mostSamples / 2;
  return all.length <= mostSamples ? all : [...all.slice(0, half), ...all.slice(-half)];
}

export interface Lag {
  /** Age of the newest instance known, if it is missing; else 0. */
  readonly newestPendingSeconds: number;
  /** Age of the oldest instance known that is missing; 0 if none is. */
  readonly oldestPendingSeconds: number;
  readonly missing: number;
}

/** How far one destination is behind. */
export function lagOf(samples: readonly Sample[], destination: string, nowSeconds: number): Lag {
  const missing = samples.filter(({ missingAt }) => missingAt.includes(destination));
  const newest = Math.max(0, ...samples.map(({ atSeconds }) => atSeconds));
  const oldestMissing = Math.min(nowSeconds, ...missing.map(({ atSeconds }) => atSeconds));
  const newestIsMissing = missing.some(({ atSeconds }) => atSeconds === newest);
  return {
    newestPendingSeconds: newestIsMissing ? Math.max(0, nowSeconds - newest) : 0,
    oldestPendingSeconds: Math.max(0, nowSeconds - oldestMissing),
    missing: missing.length,
  };
}

/** @returns the time of a change (UTC, `yyyymmddThhmmss`) in seconds since 1970, or `undefined` if it is none */
function secondsOfChange(date: string): number | undefined {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)/.exec(date) ?? [];
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? undefined : ms / 1000;
}

/** At most `most` of the items at equal distances, the last one always. */
function spread<Item>(items: readonly Item[], most: number): Item[] {
  if (items.length <= most) return [...items];
  const step = items.length / most;
  return Array.from({ length: most }, (_, index) => items[Math.ceil((index + 1) * step) - 1]).flatMap(
    (item) => item ?? [],
  );
}
