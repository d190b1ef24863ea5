import * as z from 'zod';

export const openOptionValues = z.object({
  archive: z.string(),
  endpoint: z.string().optional(),
  at: z.string().optional(),
  listen: z.string().default('127.0.0.1:8043'),
  tlsCert: z.string().optional(),
  tlsKey: z.string().optional(),
  users: z.string().optional(),
  tokenFile: z.string().optional(),
  allowOrigin: z.string().optional(),
  accessLog: z.string().optional(),
  index: z.boolean().optional(),
  json: z.boolean().optional(),
});
export type OpenOptionValues = z.output<typeof openOptionValues>;
