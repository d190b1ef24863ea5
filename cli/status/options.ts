import * as z from 'zod';
import { mirrorStateOptionValues } from '../mirror-state.ts';

export const statusOptionValues = mirrorStateOptionValues.extend({
  countArchive: z.boolean().optional(),
  html: z.string().optional(),
});
