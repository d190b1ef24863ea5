import * as z from 'zod';
import { mirrorStateOptionValues } from '../mirror-state.ts';

export const pauseOptionValues = mirrorStateOptionValues.extend({
  target: z.string().optional(),
  reason: z.string().max(200).optional(),
});
