/** What `export --json` prints. */
import * as z from 'zod';
import { bytes, count, orthancId, reason, text } from '../json-lines.ts';

export const exportOutput = [
  z
    .strictObject({ type: z.literal('problem'), id: orthancId, reason })
    .describe('An instance that is damaged, and not exported.'),
  z
    .strictObject({
      type: z.literal('summary'),
      studies: count('Studies.'),
      exported: count('Instances.'),
      bytes,
      damaged: count('Instances that are damaged.'),
      absent: count('Instances that sidecars name, and the archive does not hold.'),
      to: text('Where it was written.'),
    })
    .describe('The last line.'),
];
