/**
 * Which share of a store is verified next, so that everything is read within a period. Pure.
 *
 * The ids are cut into slots of equal width. A slot is verified as a whole, the one that waited longest first, and the
 * time of the slot that waits longest is the age of the oldest unverified instance.
 */
import * as z from 'zod';
import { type InstanceId, isInstanceId } from '../../identifiers.ts';
import { listOf } from '../../json.ts';

/** 30 days at a run an hour, with a reserve of a sixth: 600 slots, one a run. */
export const slotCount = 600;
const msPerDay = 86_400_000;
const msPerRun = 3_600_000;

export const rotationSchema = z.strictObject({
  version: z.literal(1),
  /** When the rotation began: nothing counts as verified before. */
  startedAt: z.iso.datetime(),
  /** When each slot was last read to its end, in seconds since 1970; 0 for never. */
  slots: listOf(z.int().nonnegative()).refine((slots) => slots.length === slotCount),
  /** The slot that was cut by a deadline, and the last id read of it. */
  unfinished: z
    .strictObject({
      slot: z.int().nonnegative(),
      after: z.custom<InstanceId>(isInstanceId),
      startedAt: z.iso.datetime(),
    })
    .nullable(),
});
export type Rotation = z.infer<typeof rotationSchema>;

/** A rotation in which nothing was read yet. */
export function newRotation(now: Date): Rotation {
  return { version: 1, startedAt: now.toISOString(), slots: Array<number>(slotCount).fill(0), unfinished: null };
}

/** What to read next. */
export interface Share {
  readonly slot: number;
  /** Positions from, and up to but not including. */
  readonly from: number;
  readonly to: number;
  readonly after: InstanceId | undefined;
  readonly startedAt: string;
}

/** Time from one slot to the next, for all of them to be read in the period. */
function slotEveryMs(everyDays: number): number {
  // A sixth of the period makes up for runs that failed.
  return (everyDays * msPerDay * 5) / 6 / slotCount;
}

/** How many slots a run an hour has to read at most. */
export function sharesPerRun(everyDays: number): number {
  return Math.max(1, Math.ceil(msPerRun / slotEveryMs(everyDays)));
}

/** Whether a slot is to be read now: in a long period, not every run has to read one. */
export function isShareDue({ slots, unfinished }: Rotation, everyDays: number, now: Date): boolean {
  const everyMs = slotEveryMs(everyDays);
  const newestMs = Math.max(...slots) * 1000;
  // Runs are not on time to the second.
  return unfinished !== null || everyMs <= msPerRun || now.getTime() - newestMs >= everyMs - msPerRun / 2;
}

/** The unfinished slot, else the one that waited longest. */
export function nextShare({ slots, unfinished }: Rotation, now: Date): Share {
  const slot = unfinished?.slot ?? slots.indexOf(Math.min(...slots));
  return {
    slot,
    from: slot / slotCount,
    to: (slot + 1) / slotCount,
    after: unfinished?.after,
    startedAt: unfinished?.startedAt ?? now.toISOString(),
  };
}

/** The rotation after a slot was read to its end. It counts from when its reading began. */
export function finishShare(rotation: Rotation, { slot, startedAt }: Share): Rotation {
  const seconds = Math.floor(Date.parse(startedAt) / 1000);
  return { ...rotation, slots: rotation.slots.with(slot, seconds), unfinished: null };
}

/** The rotation after a deadline cut a slot behind `after`. */
export function cutShare(rotation: Rotation, { slot, startedAt }: Share, after: InstanceId): Rotation {
  return { ...rotation, unfinished: { slot, after, startedAt } };
}

/** How long ago the oldest reading of any slot was, in milliseconds. */
export function oldestUnverifiedMs({ slots, startedAt }: Rotation, now: Date): number {
  const began = Math.floor(Date.parse(startedAt) / 1000);
  const oldest = Math.min(...slots.map((seconds) => Math.max(seconds, began)));
  return Math.max(0, now.getTime() - oldest * 1000);
}
