/** What the lines of `--json` have in common. Each command says in its `output.ts` which lines it prints. */
import * as z from 'zod';
import { exitCodes } from './exit-codes.ts';

/** A line of JSON: `type` tells the lines of a command apart. Its descriptions become `docs/json.md`. */
export type JsonLine = z.ZodObject<{ type: z.ZodLiteral<string> } & z.core.$ZodShape>;

export const count = (meaning: string) => z.int().nonnegative().describe(meaning);
export const bytes = count('Bytes.');
export const milliseconds = (meaning: string) => z.number().describe(`Milliseconds: ${meaning}`);
export const durationMs = milliseconds('how long it took.');
export const flag = (meaning: string) => z.boolean().describe(meaning);
export const text = (meaning: string) => z.string().describe(meaning);
export const time = (meaning: string) => z.iso.datetime().describe(meaning);

export const orthancId = text('Orthanc id.');
export const md5 = text('MD5 of the bytes.');
export const store = text('Address or path of the store, without credentials.');
export const exitCode = z.literal(Object.values(exitCodes)).describe('The exit code of the command.');
export const code = text('Stable code of the error.');
export const reason = text('What happened, and what to do.');
export const cause = z.strictObject({ code, reason });
export const interrupted = flag('Whether somebody stopped it.');
export const dryRun = flag('Whether nothing was written because of `--dry-run`.');
export const futureTimes = count(
  'Records and sidecars of the archive with times in the future, as far as they were met.',
);
export const stoppedBy = cause.optional().describe('Why it ended before its work did.');

/** What became of instances: every kind, zeros included. */
export const outcomeCounts = {
  copied: count('Copied; in a dry run: would be.'),
  alreadyEqual: count('Were there already, with the very same bytes.'),
  vanished: count('Deleted at the source since they were listed.'),
  conflicting: count('The same id with other bytes.'),
  rejected: count('Cannot be copied as they are.'),
  failed: count('May succeed when the command is run again.'),
};

/** The line with which `--json` tells an error that ends any command. */
export const errorLine = z
  .strictObject({ type: z.literal('error'), code, reason, exitCode })
  .describe('The error that ended the command.');
