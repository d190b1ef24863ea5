import * as z from 'zod';

export const exportOptionValues = z.object({
  archive: z.string(),
  endpoint: z.string().optional(),
  at: z.string().optional(),
  study: z.array(z.string()).optional(),
  patient: z.array(z.string()).optional(),
  to: z.string(),
  filesOnly: z.boolean().optional(),
  json: z.boolean().optional(),
});
export type ExportOptionValues = z.output<typeof exportOptionValues>;
