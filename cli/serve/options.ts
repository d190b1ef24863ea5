import * as z from 'zod';
import { runOptionValues } from '../run/options.ts';

export const serveOptionValues = runOptionValues.extend({
  listen: z.string().default('127.0.0.1:8060'),
  secretFile: z.string(),
  mirror: z.string().optional(),
});
