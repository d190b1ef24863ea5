import * as z from 'zod';
import { mirrorStateOptionValues } from '../mirror-state.ts';

export const resumeOptionValues = mirrorStateOptionValues.extend({ target: z.string().optional() });
