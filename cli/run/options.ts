import * as z from 'zod';
import { defaultDeletionLimits } from '../../core/archive-life/deletions/missing.ts';
import { conflictPolicies, defaultConflictPolicy } from '../../core/archive-life/repair/conflict-policy.ts';
import type { MirrorPolicies, NamedMirror } from '../named-mirror.ts';

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
  conflicts: z.enum(conflictPolicies).optional(),
  deletions: z.enum(['off', 'propagate']).optional(),
  maxDeletions: z.number().optional(),
  maxDeletionPercent: z.number().optional(),
  deletionGraceHours: z.number().optional(),
  instancesOnly: z.boolean().optional(),
  force: z.boolean().optional(),
  succeed: z.boolean().optional(),
  listen: z.string().optional(),
  heartbeat: z.string().optional(),
  json: z.boolean().optional(),
});

export type RunOptions = z.output<typeof runOptionValues>;

/** The options with what the configuration of the mirror, or else the defaults, say where they say nothing. */
export type RunChoices = RunOptions & ReturnType<typeof policiesOf>;

export function choicesOf(options: RunOptions, { policies }: Pick<NamedMirror, 'policies'>): RunChoices {
  return { ...options, ...policiesOf(options, policies) };
}

function policiesOf(options: RunOptions, { conflicts, deletions }: Partial<MirrorPolicies>) {
  return {
    conflicts: options.conflicts ?? conflicts ?? defaultConflictPolicy,
    deletions: options.deletions ?? deletions?.mode ?? 'off',
    maxDeletions: options.maxDeletions ?? deletions?.maxCount ?? defaultDeletionLimits.maxCount,
    maxDeletionPercent: options.maxDeletionPercent ?? deletions?.maxPercent ?? defaultDeletionLimits.maxPercent,
    deletionGraceHours:
      options.deletionGraceHours ?? deletions?.graceHours ?? defaultDeletionLimits.graceMs / msPerHour,
  };
}

export interface RunArguments {
  readonly source: string;
  readonly target: string | undefined;
  readonly options: RunOptions;
  /** All option values, those of the servers included. */
  readonly values: unknown;
}
