/** What `open`, `open-user` and `open-log` print with `--json`. */
import * as z from 'zod';
import { count, store, text, time } from '../json-lines.ts';

export const openOutput = [
  z
    .strictObject({
      type: z.literal('listening'),
      url: text('Where browsers and DICOMweb clients find it.'),
      archive: store,
      at: time('The moment that is shown; null: now.').nullable(),
    })
    .describe('Told once it can be asked.'),
];

export const openUserOutput = [
  z
    .strictObject({ type: z.literal('user'), name: text('Name of the user.'), file: text('File of users.') })
    .describe('The only line.'),
];

export const openLogOutput = [
  z
    .strictObject({
      type: z.literal('log'),
      file: text('The log.'),
      lines: count('Lines that were looked at.'),
      wrongLine: count('The first line that was changed, or before which lines were taken out.').nullable(),
      hash: text('The hash of the last line that is as it was written.'),
      withoutEnd: count('How often the program ended without its last line: it was killed, or lines were taken away.'),
    })
    .describe('The only line.'),
];
