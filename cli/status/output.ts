/** What `status --json` prints. */
import * as z from 'zod';
import { keptCommands } from '../../core/archive-life/last-results.ts';
import { code, count, exitCode, reason, store, text, time } from '../json-lines.ts';

export const statusSchema = z
  .strictObject({
    type: z.literal('status'),
    mirror: text('Name of the mirror, where one is known.').nullable(),
    measuredAt: time('When this was asked.'),
    stores: z
      .array(
        z.strictObject({
          name: store,
          instances: count('Instances that it holds; null if it cannot be asked.').nullable(),
          error: text('Why it cannot be asked.').nullable(),
        }),
      )
      .describe('The servers of the configuration; with `--count-archive` the archive, too.'),
    last: z
      .array(
        z.strictObject({
          command: z.enum(keptCommands).describe('The command.'),
          at: time('When it ended.'),
          version: text('Version of this program.'),
          exitCode: z.int().describe(exitCode.description ?? ''),
        }),
      )
      .describe('How each command ended for the last time that writes to the archive or reads it back.'),
    comparedAt: time('When the last comparison was completed.').nullable(),
    comparing: text('Why a comparison is under way; null if none is.').nullable(),
    paused: z
      .array(
        z.strictObject({
          store: text('Name of the store; `*`: the whole mirror.'),
          code,
          reason,
          begunAt: time('Since when.'),
        }),
      )
      .describe('What is paused.'),
  })
  .describe('The only line.');

export const statusOutput = [statusSchema];
