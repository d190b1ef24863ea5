/** What `diff --json` prints. */
import * as z from 'zod';
import { count, md5, orthancId } from '../json-lines.ts';

export const diffOutput = [
  z
    .strictObject({
      type: z.literal('difference'),
      kind: z.enum(['added', 'removed', 'changed']).describe('What became of it.'),
      level: z.enum(['instance', 'study']).describe('`study`: its sidecar.'),
      id: orthancId,
      md5: md5.optional().describe('MD5 of the version at the second time.'),
      md5Before: md5.optional().describe('MD5 of the version at the first time.'),
    })
    .describe('A difference.'),
  z
    .strictObject({
      type: z.literal('summary'),
      added: count('Instances that came.'),
      removed: count('Instances that went.'),
      changed: count('Instances with other bytes.'),
      sidecars: count('Sidecars that came or changed.'),
    })
    .describe('The last line.'),
];
