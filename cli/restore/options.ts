import * as z from 'zod';

/** The options of `restore` as commander gives them; those of the server are read where they are used. */
export const restoreOptionValues = z.object({
  archive: z.string(),
  endpoint: z.string().optional(),
  to: z.string(),
  at: z.string().optional(),
  patient: z.array(z.string()).optional(),
  study: z.array(z.string()).optional(),
  series: z.array(z.string()).optional(),
  since: z.string().optional(),
  until: z.string().optional(),
  includeRemoved: z.boolean().optional(),
  replace: z.boolean().optional(),
  repair: z.boolean().optional(),
  missingSince: z.string().optional(),
  verify: z.boolean().optional(),
  thaw: z.boolean().optional(),
  force: z.boolean().optional(),
  concurrency: z.number().optional(),
  queues: z.url().optional(),
  mirror: z.string().optional(),
  dryRun: z.boolean().optional(),
  json: z.boolean().optional(),
});
export type RestoreOptionValues = z.output<typeof restoreOptionValues>;
