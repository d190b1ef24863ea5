import * as z from 'zod';
import { backends } from '../../core/orthanc-disk/found-server.ts';

/** The options of `advise` as commander gives them. */
export const adviseOptionValues = z.object({
  index: z.string().optional(),
  config: z.string().optional(),
  to: z.string().optional(),
  toPlugin: z.string().optional(),
  toBackend: z.enum(backends).optional(),
  json: z.boolean().optional(),
});
export type AdviseOptions = z.infer<typeof adviseOptionValues>;
