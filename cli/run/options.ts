import { z } from 'zod';
import { defaultDeletionLimits } from '../../core/archive-life/deletions/missing.ts';
import { conflictPolicies, defaultConflictPolicy } from '../../core/archive-life/repair/conflict-policy.ts';

const msPerHour = 3_600_000;

/** The options of `run` as commander gives them; those of the servers are read where they are used. */
export const runOptionValues = z.object({
  archive: z.string().optional(),
  endpoint: z.string().optional(),
  config: z.string().optional(),
  concurrency: z.number().optional(),
  once: z.boolean().optional(),
  watch: z.boolean().optional(),
  dryRun: z.boolean().optional(),
  conflicts: z.enum(conflictPolicies).default(defaultConflictPolicy),
  deletions: z.enum(['off', 'propagate']).default('off'),
  maxDeletions: z.number().default(defaultDeletionLimits.maxCount),
  maxDeletionPercent: z.number().default(defaultDeletionLimits.maxPercent),
  deletionGraceHours: z.number().default(defaultDeletionLimits.graceMs / msPerHour),
  instancesOnly: z.boolean().optional(),
  force: z.boolean().optional(),
  succeed: z.boolean().optional(),
  json: z.boolean().optional(),
});

export interface RunArguments {
  readonly source: string;
  readonly target: string | undefined;
  readonly options: z.output<typeof runOptionValues>;
  /** All option values, those of the servers included. */
  readonly values: unknown;
}
