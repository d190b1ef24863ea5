import * as z from 'zod';
import { storageClasses } from '../../core/cloud/estimate/prices.ts';

export const estimateOptionValues = z.object({
  instances: z.number(),
  perDay: z.number().default(0),
  averageKib: z.number().default(512),
  storageClass: z.enum(storageClasses).default('standard'),
  targets: z.number().default(1),
  targetsOutside: z.boolean().default(false),
  mirrors: z.number().default(1),
  everyMinutes: z.number().default(1),
  verifyDays: z.number().default(30),
  linkMegabits: z.number().default(1000),
  json: z.boolean().optional(),
});
