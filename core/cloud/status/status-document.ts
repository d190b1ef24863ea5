/** What `reports/status.json` says of one mirror: measured, not remembered. Names, numbers, times and codes only. */
import * as z from 'zod';
import { listOf } from '../../json.ts';

const countOrUnknown = z.int().nonnegative().nullable();

export const statusSchema = z.strictObject({
  version: z.literal(1),
  mirror: z.string(),
  measuredAt: z.iso.datetime(),
  source: z.strictObject({ instances: countOrUnknown, error: z.string().nullable() }),
  destinations: listOf(
    z.strictObject({
      /** Name of the target, or `archive`. */
      name: z.string(),
      instances: countOrUnknown,
      /** When they were counted; an archive is counted once a day, a server each time. */
      countedAt: z.iso.datetime().nullable(),
      newestPendingSeconds: z.number().nonnegative(),
      oldestPendingSeconds: z.number().nonnegative(),
      /** Of the instances that were looked up, those that are missing. */
      missing: z.int().nonnegative(),
      /** When the share that waits longest was last read back, as an age; `null` if none ever was. */
      oldestUnverifiedSeconds: z.number().nonnegative().nullable(),
      /** Code of the error that kept it from being measured. */
      error: z.string().nullable(),
    }),
  ),
  /** When the last complete comparison ended. */
  comparedAt: z.iso.datetime().nullable(),
  /** Time since then; until the first one ended, since it last went on. */
  comparedAgeSeconds: z.number().nonnegative(),
  comparing: z.boolean(),
  /** Time since the mirror was measured for the first time. */
  watchedSeconds: z.number().nonnegative(),
  paused: z.strictObject({ code: z.string(), reason: z.string(), until: z.iso.datetime() }).nullable(),
  /** Of all mirrors of the deployment together. */
  queue: z.strictObject({
    waiting: z.int().nonnegative(),
    inFlight: z.int().nonnegative(),
    deadLetters: z.int().nonnegative(),
  }),
});
/** The status of one mirror. */
export type MirrorStatus = z.infer<typeof statusSchema>;
