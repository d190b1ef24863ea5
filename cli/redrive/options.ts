import * as z from 'zod';

/** Slow enough for any server, and 36,000 in an hour. */
const defaultPerSecond = 10;

export const redriveOptionValues = z.object({
  queues: z.url(),
  rate: z.number().default(defaultPerSecond),
  limit: z.number().optional(),
  mirror: z.string().optional(),
  code: z.string().optional(),
  json: z.boolean().optional(),
});
