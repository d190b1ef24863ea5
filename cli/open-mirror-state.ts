/** Opens the state of a mirror, which lies beside its archive, for the commands that look after it. */
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
import type { MirrorStateOptions } from './mirror-state.ts';

export interface OpenMirrorState extends AsyncDisposable {
  /** Name of the mirror, where a configuration names it. */
  readonly name: string | undefined;
  readonly configuration: MirrorConfiguration | undefined;
  readonly objects: ObjectStorage;
  readonly pause: Pause;
}

/** Throws `configuration` or `unknown-mirror` where the options name no state. */
export async function openMirrorState(name: string | undefined, options: MirrorStateOptions): Promise<OpenMirrorState> {
  const given = parseArchive(options.archive, options.archive === undefined ? undefined : options.endpoint);
  const configured = options.config === undefined ? undefined : mirrorIn(await loadConfiguration(options.config), name);
  const archive = given ?? archiveOf(configured, options);
  const objects = await storageOf(archive);
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
