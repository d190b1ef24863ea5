import * as z from 'zod';

/** The options of `verify` as commander gives them; those of the servers are read where they are used. */
export const verifyOptionValues = z.object({
  archive: z.string().optional(),
  endpoint: z.string().optional(),
  target: z.string().optional(),
  source: z.string().optional(),
  subset: z.string().optional(),
  repair: z.boolean().optional(),
  concurrency: z.number().default(4),
  json: z.boolean().optional(),
});
