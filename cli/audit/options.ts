import * as z from 'zod';

/** The options of `audit` as commander gives them; durations in milliseconds. */
export const auditOptionValues = z.object({
  config: z.string().optional(),
  index: z.string().optional(),
  storage: z.string().optional(),
  otherStorage: z.array(z.string()).optional(),
  archive: z.string().optional(),
  to: z.string().optional(),
  repair: z.boolean().optional(),
  endpoint: z.string().optional(),
  sizesOnly: z.boolean().optional(),
  margin: z.number().optional(),
  work: z.string().optional(),
  quarantine: z.string().optional(),
  undo: z.boolean().optional(),
  deleteQuarantined: z.boolean().optional(),
  olderThan: z.number().optional(),
  json: z.boolean().optional(),
});
export type AuditCommandOptions = z.infer<typeof auditOptionValues>;
