/** What `snapshots --json` prints. */
import * as z from 'zod';
import { bytes, count, text } from '../json-lines.ts';

const snapshotLine = z
  .strictObject({
    type: z.literal('snapshot'),
    day: text('In UTC: `2026-11-21`.'),
    added: count('Instances that the archive received for the first time.'),
    changed: count('Instances of which another version became the current one.'),
    removed: count('Instances that the source no longer had.'),
    returned: count('Instances that it had again.'),
    sidecars: count('States of sidecars.'),
    bytes,
  })
  .describe('A day on which the archive changed.');

export const snapshotsOutput = [snapshotLine];
