/** The options by which commands find the state of a mirror, which lies beside its archive. */
import type { Command, Option } from 'commander';
import * as z from 'zod';
import { endpointOption, jsonOption, valueOption } from './options.ts';

/** The options by which the state of a mirror is found. */
export const mirrorStateOptionValues = z.object({
  config: z.string().optional(),
  archive: z.string().optional(),
  endpoint: z.string().optional(),
  bucket: z.string().optional(),
  json: z.boolean().optional(),
});
export type MirrorStateOptions = z.output<typeof mirrorStateOptionValues>;

/** Adds the argument and the options to a command. */
export function withMirrorState(command: Command): Command {
  return command
    .argument('[mirror]', 'name of the mirror; may be absent if the configuration has one only')
    .addOption(valueOption('--config <file>', 'configuration file'))
    .addOption(valueOption('--bucket <name>', 'bucket of the cloud stack (its output ArchiveBucketName)'))
    .addOption(valueOption('--archive <place>', 'instead of a configuration: a folder, or s3://bucket/prefix'))
    .addOption(endpointOption())
    .addOption(jsonOption());
}

/** `--target`, for commands that may concern one target only. */
export function targetOption(description: string): Option {
  return valueOption('--target <name>', description);
}
