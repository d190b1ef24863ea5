/** The first and the last line of a report that is lines of JSON. */
import * as z from 'zod';
import { cause, exitCode, text, time } from '../json-lines.ts';

export const reportLines = [
  z
    .strictObject({
      type: z.literal('report'),
      command: text('The command.'),
      version: text('Version of this program.'),
      begunAt: time('When it began.'),
      given: z
        .record(z.string(), z.string())
        .describe('Arguments and options; what names a patient or study as a SHA-256, addresses without credentials.'),
      inputs: z.record(z.string(), z.string()).describe('SHA-256 of the files that the options name.'),
    })
    .describe('The first line.'),
  z
    .strictObject({
      type: z.literal('end'),
      endedAt: time('When it ended.'),
      exitCode,
      error: cause.optional().describe('The error that ended it.'),
    })
    .describe('The last line.'),
] as const;
