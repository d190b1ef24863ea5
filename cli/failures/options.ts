import * as z from 'zod';

export const failuresOptionValues = z.object({
  queues: z.url(),
  mirror: z.string().optional(),
  json: z.boolean().optional(),
});
