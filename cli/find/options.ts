import * as z from 'zod';
import { archiveOptionValues } from '../archive-options.ts';

export const findOptionValues = archiveOptionValues.extend({
  patient: z.array(z.string()).optional(),
  name: z.array(z.string()).optional(),
  study: z.array(z.string()).optional(),
  accession: z.array(z.string()).optional(),
  modality: z.array(z.string()).optional(),
  since: z.string().optional(),
  until: z.string().optional(),
});
export type FindOptionValues = z.output<typeof findOptionValues>;
