/** Opens the state of a mirror, which lies beside its archive, for the commands that look after it. */

import type { Command, Option } from 'commander';
import * as z from 'zod';
import { archiveInStack } from '../core/config/archive-location.ts';
import { loadConfiguration } from '../core/config/load.ts';
import { mirrorNamed } from '../core/config/mirror-named.ts';
import { storageOf } from '../core/config/open-archive.ts';
import type { ArchiveConfiguration, Configuration, MirrorConfiguration } from '../core/config/schema.ts';
import { MirrorError } from '../core/errors.ts';
import { type Pause, pauseBeside } from '../core/mirror/pause/pause.ts';
import { readManifest } from '../core/stores/archive/manifest.ts';
import type { ObjectStorage } from '../core/stores/archive/object-storage.ts';
import { parseArchive } from './archive-argument.ts';
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

export interface OpenMirrorState extends AsyncDisposable {
  /** Name of the mirror, where a configuration names it. */
  readonly name: string | undefined;
  readonly configuration: MirrorConfiguration | undefined;
  readonly objects: ObjectStorage;
  readonly pause: Pause;
}

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

/** Throws `configuration` or `unknown-mirror` where the options name no state. */
export async function openMirrorState(name: string | undefined, options: MirrorStateOptions): Promise<OpenMirrorState> {
  const given = parseArchive(options.archive, options.archive === undefined ? undefined : options.endpoint);
  const configured = options.config === undefined ? undefined : mirrorIn(await loadConfiguration(options.config), name);
  const archive = given ?? archiveOf(configured, options);
  const objects = storageOf(archive);
  // A mistyped place would be told to pause, or that all is well, and nothing happen.
  if (given !== undefined && (await readManifest(objects)) === undefined) {
    await objects.close();
    throw new MirrorError(
      'archive-format',
      `${objects.name} holds no archive (there is no archive.json); check --archive`,
    );
  }
  return {
    name: configured?.name ?? name,
    configuration: configured?.mirror,
    objects,
    pause: pauseBeside(objects),
    [Symbol.asyncDispose]: () => objects.close(),
  };
}

export interface NamedMirrorConfiguration {
  readonly name: string;
  readonly mirror: MirrorConfiguration;
}

/** The mirror of that name, or the only one. Throws `unknown-mirror`. */
function mirrorIn(configuration: Configuration, wanted: string | undefined): NamedMirrorConfiguration {
  const names = Object.keys(configuration.mirrors);
  const name = wanted ?? (names.length === 1 ? names[0] : undefined);
  const mirror = name === undefined ? undefined : mirrorNamed(configuration, name);
  if (name === undefined || mirror === undefined) {
    const what = wanted === undefined ? 'name one of its mirrors' : `the configuration names no mirror ${wanted}`;
    throw new MirrorError('unknown-mirror', `${what}: ${names.join(', ')}`);
  }
  return { name, mirror };
}

/** An archive that names no bucket lies in the one of the stack. */
function archiveOf(
  configured: NamedMirrorConfiguration | undefined,
  { bucket, endpoint }: MirrorStateOptions,
): ArchiveConfiguration {
  if (configured === undefined) {
    throw new MirrorError('configuration', 'name the mirror by --config FILE, or its archive by --archive PLACE');
  }
  const { name, mirror } = configured;
  if (mirror.archive === undefined) {
    throw new MirrorError('configuration', `the mirror ${name} has no archive, beside which its state would lie`);
  }
  if ('folder' in mirror.archive || mirror.archive.bucket !== undefined) return mirror.archive;
  if (bucket === undefined) {
    throw new MirrorError(
      'configuration',
      `the archive of ${name} lies in the bucket of the stack: name it by --bucket`,
    );
  }
  return { ...archiveInStack(name, mirror.archive, { bucket }), ...(endpoint !== undefined && { endpoint }) };
}

/** `--target`, for commands that may concern one target only. */
export function targetOption(description: string): Option {
  return valueOption('--target <name>', description);
}
