/** Finds out what the arguments SOURCE, TARGET and --archive name: URLs and paths, or a mirror of the configuration. */
import { mirrorNamed } from '../core/config/mirror-named.ts';
import type { ArchiveConfiguration, Configuration, MirrorConfiguration } from '../core/config/schema.ts';
import { MirrorError } from '../core/errors.ts';
import { defaultAskAgainDays } from '../core/mirror/inventory-memory.ts';
import { limitsOf } from './limit-options.ts';
import { type NamedServer, overrideServer, serverOfUrl } from './server-options.ts';

const msPerMinute = 60_000;
const msPerHour = 60 * msPerMinute;

/** What a command works on. */
export interface NamedMirror {
  readonly source: NamedServer & { readonly name: string | undefined };
  readonly targets: readonly (NamedServer & { readonly name: string | undefined })[];
  readonly archive: ArchiveConfiguration | undefined;
  /** Of the configuration file, if that names the mirror. */
  readonly concurrency: number | undefined;
  readonly pollMs: number | undefined;
  readonly compareEveryMs: number | undefined;
  readonly askAgainDays: number;
  /** What of the source is mirrored, how fast and when; nothing of it for a mirror that is given by URLs. */
  readonly limits: MirrorLimits;
  /** What becomes of conflicts and deletions, by the configuration file. */
  readonly policies: Partial<MirrorPolicies>;
}

export type MirrorPolicies = Pick<MirrorConfiguration, 'conflicts' | 'deletions'>;

export type MirrorLimits = Pick<MirrorConfiguration, 'filter' | 'megabitsPerSecond' | 'schedule'>;

export interface MirrorArguments {
  readonly source: string;
  readonly target: string | undefined;
  /** What `--archive` names, which wins over the archive of the configuration. */
  readonly archive: ArchiveConfiguration | undefined;
  readonly configuration: Configuration | undefined;
  /** All option values of the command, for those of the servers. */
  readonly values: unknown;
}

/** @throws MirrorError `configuration` if the arguments name nothing, or nowhere to copy to. */
export function resolveMirror(given: MirrorArguments): NamedMirror {
  const mirror = isUrl(given.source) ? mirrorOfUrl(given) : mirrorOfConfiguration(given);
  if (mirror.targets.length === 0 && mirror.archive === undefined) {
    throw new MirrorError('configuration', 'there is only a source: name a TARGET, an --archive, or both');
  }
  const { url } = mirror.source.configuration;
  if (mirror.targets.some((target) => target.configuration.url === url)) {
    throw new MirrorError('configuration', 'source and target are the same server');
  }
  return mirror;
}

function mirrorOfUrl({ source, target, archive, configuration, values }: MirrorArguments): NamedMirror {
  return {
    source: { ...serverOfUrl('source', source, values), name: undefined },
    targets: target === undefined ? [] : [targetServer(target, configuration, values)],
    archive,
    concurrency: undefined,
    pollMs: undefined,
    compareEveryMs: undefined,
    askAgainDays: defaultAskAgainDays,
    limits: limitsOf(values, {}),
    policies: {},
  };
}

/** A configuration holds no credentials, so there is nothing to warn of. */
const fromConfiguration = { urlCredentials: undefined, warnings: [] };

function mirrorOfConfiguration({ source, target, archive, configuration, values }: MirrorArguments): NamedMirror {
  const mirror = configuredMirror(source, configuration);
  const targets = Object.entries(mirror.targets).map(([name, server]) => ({
    name,
    configuration: overrideServer('target', server, values),
    ...fromConfiguration,
  }));
  return {
    source: { name: source, configuration: overrideServer('source', mirror.source, values), ...fromConfiguration },
    targets: target === undefined ? targets : [targetServer(target, configuration, values)],
    archive: archive ?? mirror.archive,
    concurrency: mirror.concurrency,
    pollMs: mirror.follow.everyMinutes === undefined ? undefined : mirror.follow.everyMinutes * msPerMinute,
    compareEveryMs: mirror.follow.compareEveryHours * msPerHour,
    askAgainDays: mirror.follow.askAgainDays,
    limits: limitsOf(values, mirror),
    policies: mirror,
  };
}

/** A target is a URL, or the source server of another mirror. */
function targetServer(
  text: string,
  configuration: Configuration | undefined,
  values: unknown,
): NamedMirror['targets'][number] {
  if (isUrl(text)) return { ...serverOfUrl('target', text, values), name: undefined };
  const { source } = configuredMirror(text, configuration);
  return { name: text, configuration: overrideServer('target', source, values), ...fromConfiguration };
}

function configuredMirror(name: string, configuration: Configuration | undefined): MirrorConfiguration {
  if (configuration === undefined) {
    throw new MirrorError(
      'configuration',
      `${name} is not a URL (http://… or https://…); to use it as the name of a mirror, give --config FILE`,
    );
  }
  const mirror = mirrorNamed(configuration, name);
  if (mirror === undefined) {
    const known = Object.keys(configuration.mirrors).join(', ');
    throw new MirrorError('unknown-mirror', `the configuration names no mirror ${name}; it names ${known}`);
  }
  return mirror;
}

function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
}
