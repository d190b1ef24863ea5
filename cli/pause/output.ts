/** What `pause` and `resume` print with `--json`. */
import * as z from 'zod';
import { code, reason, text, time } from '../json-lines.ts';

const mirror = text('Name of the mirror, where one is known.').nullable();
const store = text('Name of the store; `*`: the whole mirror.');

export const pauseOutput = [z.strictObject({ type: z.literal('paused'), mirror, store }).describe('The only line.')];

export const resumeOutput = [
  z
    .strictObject({
      type: z.literal('resumed'),
      mirror,
      stores: z.array(z.strictObject({ store, code, reason, begunAt: time('Since when it was paused.') })),
    })
    .describe('The only line.'),
];
