import * as z from 'zod';

/** The options of `backup` and its subcommands as commander gives them. */
export const backupOptionValues = z.object({
  archive: z.string().optional(),
  endpoint: z.string().optional(),
  host: z.string().optional(),
  json: z.boolean().optional(),
  config: z.string().optional(),
  stop: z.string().optional(),
  start: z.string().optional(),
  commandTimeout: z.number().optional(),
  hot: z.boolean().optional(),
  tries: z.number().optional(),
  allowMissing: z.boolean().optional(),
  passphraseFile: z.string().optional(),
  omitConfiguration: z.boolean().optional(),
  work: z.string().optional(),
  otherStorage: z.array(z.string()).optional(),
  schedule: z.string().optional(),
  keepDaily: z.number().optional(),
  keepWeekly: z.number().optional(),
  keepMonthly: z.number().optional(),
  maxRemovals: z.number().optional(),
  dryRun: z.boolean().optional(),
  backup: z.string().optional(),
  readData: z.boolean().optional(),
  to: z.string().optional(),
  originalPaths: z.boolean().optional(),
  yes: z.boolean().optional(),
  iKnowThisBackupIsNotAuthenticated: z.boolean().optional(),
  database: z.string().optional(),
});
export type BackupCommandOptions = z.infer<typeof backupOptionValues>;
