import * as z from 'zod';

/** The levels at which differences are told. */
export const checkLevels = ['instance', 'series', 'study'] as const;

/** The options of `check` as commander gives them; those of the servers are read where they are used. */
export const checkOptionValues = z.object({
  archive: z.string().optional(),
  endpoint: z.string().optional(),
  config: z.string().optional(),
  level: z.enum(checkLevels).default('instance'),
  all: z.boolean().optional(),
  json: z.boolean().optional(),
});
