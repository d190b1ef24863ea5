/** What `config check --json` prints. */
import * as z from 'zod';
import { text } from '../json-lines.ts';

export const configCheckOutput = [
  z
    .strictObject({
      type: z.literal('configuration'),
      valid: z.literal(true).describe('It is valid.'),
      mirrors: z.array(text('Name of a mirror.')),
    })
    .describe('The only line, if it is valid; otherwise the error names every problem.'),
];
