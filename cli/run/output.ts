/** What `run --json` prints. */
import * as z from 'zod';
import {
  bytes,
  cause,
  code,
  count,
  dryRun,
  durationMs,
  exitCode,
  flag,
  futureTimes,
  interrupted,
  milliseconds,
  orthancId,
  outcomeCounts,
  reason,
  stoppedBy,
  store,
  text,
  time,
} from '../json-lines.ts';

/** What keeps an instance from having arrived. */
export const problemOutcomes = ['conflict', 'rejected', 'failed'] as const;

export const problemLineSchema = z
  .strictObject({
    type: z.literal('problem'),
    id: orthancId,
    level: z.literal('study').optional().describe('Where the id is that of a study whose sidecar did not arrive.'),
    destination: store,
    outcome: z.enum(problemOutcomes).describe('What became of it.'),
    code: code.optional(),
    reason: reason.optional(),
  })
  .describe('An instance, or the sidecar of a study, that did not arrive.');

const removal = z
  .strictObject({
    type: z.literal('removal'),
    id: orthancId,
    deletedAtTarget: flag('Whether the targets were told to delete it.'),
    dryRun: z.literal(true).optional().describe('In a dry run: nothing was done.'),
  })
  .describe('An instance that is gone from the source, as two comparisons showed.');

export const runSummarySchema = z
  .strictObject({
    type: z.literal('summary'),
    dryRun,
    source: store,
    ...outcomeCounts,
    destinations: z.array(
      z.strictObject({
        name: store,
        role: z.enum(['target', 'archive']).describe('What it is.'),
        ...outcomeCounts,
        withdrawn: cause.optional().describe('Why it could not be served to the end.'),
      }),
    ),
    sidecars: z
      .strictObject(outcomeCounts)
      .describe('Studies whose sidecars differed somewhere, by what became of them.'),
    bytesCopied: bytes,
    copiedUnsized: count(
      'Instances that a dry run would copy and that are not in these bytes: Orthanc before 1.12.5 lists no sizes.',
    ),
    notAtSource: count('Ids that a destination holds and the source does not.'),
    futureTimes,
    durationMs,
    interrupted,
    stoppedBy,
    exitCode,
  })
  .describe('The last line.');

const at = time('When it was told.');
const role = z.enum(['source', 'target', 'archive', 'mirror']).describe('What it is; `mirror`: all of them at once.');
const subject = { role, store };

/** Lines of a watch only. */
export const watchLines = [
  z
    .strictObject({
      type: z.literal('alive'),
      at,
      copied: count('Instances that were copied since the watch began.'),
      bytes,
      quietMs: milliseconds('since something was copied for the last time.').optional(),
      comparing: flag('Whether a comparison is under way.'),
      away: z.array(z.strictObject({ ...subject, sinceMs: milliseconds('how long it has been so.') })),
    })
    .describe('A sign of life, every minute.'),
  z
    .strictObject({
      type: z.literal('away'),
      at,
      ...subject,
      code,
      reason,
      sinceMs: milliseconds('how long it has been so; 0 at first.'),
      askedAgainInMs: milliseconds('until it is asked again; absent while somebody wants it to pause.').optional(),
    })
    .describe('A store cannot be used: told at first, and again whenever it was asked in vain.'),
  z
    .strictObject({
      type: z.literal('back'),
      at,
      ...subject,
      afterMs: milliseconds('how long it was away.'),
    })
    .describe('It can be used again.'),
  z
    .strictObject({
      type: z.literal('delayed'),
      at,
      what: z.enum(['comparison', 'deletions', 'sidecars']).describe('Which part of the work.'),
      store: store.optional(),
      code,
      reason,
    })
    .describe('A part of the work failed, and is done again later.'),
  z
    .strictObject({ type: z.literal('comparing'), at, reason: text('Why now.') })
    .describe('A complete comparison begins.'),
  z
    .strictObject({
      type: z.literal('compared'),
      at,
      instances: count('Instances that were compared.'),
      copied: count('Of these, how many were copied.'),
      durationMs,
      leftOut: z
        .array(store)
        .describe('Destinations that missed a part of it, and are compared again; none: it was complete.'),
    })
    .describe('A comparison has ended.'),
  z
    .strictObject({
      type: z.literal('arrived'),
      at,
      instances: count('Instances that were new at the source, and are copied.'),
      bytes,
      lagMs: milliseconds('since the source got the first of them, by the clocks of both machines.').optional(),
    })
    .describe('What came to the source was copied.'),
] as const;

export const runOutput = [problemLineSchema, removal, runSummarySchema];
