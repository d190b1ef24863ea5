/** What `failures` and `redrive` print with `--json`. */
import * as z from 'zod';
import { code, count, reason, text, time } from '../json-lines.ts';

export const failureLine = z
  .strictObject({
    type: z.literal('failure'),
    mirror: text('Name of the mirror; null where it is no message of ours, as everything that follows.').nullable(),
    kind: text('What the message is about.').nullable(),
    id: text('Orthanc id.').nullable(),
    code,
    reason,
    tries: count('How often it was tried.').nullable(),
    at: time('When it was put on the queue.').nullable(),
  })
  .describe('A dead letter.');

export const failuresOutput = [
  failureLine,
  z
    .strictObject({
      type: z.literal('summary'),
      failures: count('Dead letters.'),
      codes: z.record(z.string(), z.int()).describe('How many of each code.'),
    })
    .describe('The last line.'),
];

export const redriveOutput = [
  z
    .strictObject({
      type: z.literal('summary'),
      redriven: count('Messages that were sent again.'),
      left: count('Messages that stay dead letters.'),
    })
    .describe('The only line.'),
];
