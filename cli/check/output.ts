/** What `check --json` prints. */
import * as z from 'zod';
import { comparisonKinds } from '../../core/mirror/check.ts';
import { code, count, exitCode, futureTimes, reason, store, text } from '../json-lines.ts';
import { checkLevels } from './options.ts';

const difference = z
  .strictObject({
    type: z.literal('difference'),
    level: z.enum(checkLevels).describe('Of what the id is; see `--level`.'),
    id: text('Orthanc id; `unknown` where nobody could tell the series or study of an instance.'),
    store,
    kind: z.enum(comparisonKinds).describe('How the store differs from the source; `equal` with `--all` only.'),
    instances: count('Instances of the series or study that differ so.').optional(),
    code: code.optional(),
    reason: reason.optional(),
  })
  .describe('A difference.');

export const checkSummarySchema = z
  .strictObject({
    type: z.literal('summary'),
    source: store,
    atSource: count('Instances that the source lists.'),
    stores: z.array(
      z.strictObject({
        name: store,
        equal: count('Instances with the same bytes.'),
        missing: count('Instances that the source holds, and this store does not.'),
        'not-at-source': count('Instances that this store holds, and the source does not.'),
        conflict: count('Instances with other bytes.'),
        unknown: count('Instances of which a hash could not be told.'),
        removed: count('Instances of which the archive knows that the source removed them: no difference.'),
      }),
    ),
    differences: count('All differences.'),
    futureTimes,
    exitCode,
  })
  .describe('The last line.');

export const checkOutput = [difference, checkSummarySchema];
