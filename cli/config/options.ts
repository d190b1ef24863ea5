import * as z from 'zod';

export const configOptionValues = z.object({ cloud: z.boolean().optional(), json: z.boolean().optional() });
