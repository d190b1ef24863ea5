/** What a valid configuration must further fulfil to run in the cloud. */
import { MirrorError } from '../errors.ts';
import { archivePrefixOf } from './archive-location.ts';
import { connectionsPerMirror, fewestInvocations } from './cloud-shares.ts';
import { longestQueueName, mirrorQueue, sharedQueue } from './queue-names.ts';
import type { Configuration, MirrorConfiguration } from './schema.ts';
import { secretRefsOf } from './secret-refs.ts';
import type { ServerConfiguration } from './server-schema.ts';

/** Throws `configuration`, naming every field that cannot work in a function of the cloud stack. */
export function requireFitForCloud(configuration: Configuration): void {
  const problems = [
    ...Object.entries(configuration.mirrors).flatMap(([name, mirror]) =>
      [...problemsOfMirror(mirror, configuration), ...problemsOfPlace(name, mirror, configuration)].map(
        (problem) => `mirrors.${name}.${problem}`,
      ),
    ),
    ...problemsOfNames(configuration),
    ...problemsOfOpen(configuration),
  ];
  if (problems.length > 0) {
    throw new MirrorError('configuration', `The configuration does not fit the cloud: ${problems.join('; ')}.`);
  }
}

function problemsOfMirror(mirror: MirrorConfiguration, configuration: Configuration): string[] {
  const servers: [string, ServerConfiguration][] = [
    ['source', mirror.source],
    ...Object.entries(mirror.targets).map(([name, server]): [string, ServerConfiguration] => [
      `targets.${name}`,
      server,
    ]),
  ];
  return [
    ...problemsOfArchive(mirror),
    ...servers.flatMap(([path, server]) => problemsOfServer(path, server, configuration)),
  ];
}

function problemsOfArchive({ archive }: MirrorConfiguration): string[] {
  if (archive === undefined) {
    return [
      'archive: is missing; it also holds the state of the mirror: add "archive": {} for the bucket of the stack',
    ];
  }
  if ('folder' in archive) {
    return ['archive.folder: a function has no lasting folder; use "archive": {} for the bucket of the stack'];
  }
  const outside = (['bucket', 'endpoint', 'region', 'objectLock'] as const).filter(
    (field) => archive[field] !== undefined,
  );
  return outside.map((field) => `archive.${field}: the archive lies in the bucket of the stack; remove it`);
}

/** Mirrors share a bucket, in which each owns all keys below its prefix. */
function problemsOfPlace(name: string, mirror: MirrorConfiguration, { mirrors }: Configuration): string[] {
  const prefix = archivePrefixOf(name, mirror);
  return Object.entries(mirrors)
    .filter(([other, otherMirror]) => other !== name && prefix.startsWith(archivePrefixOf(other, otherMirror)))
    .map(([other]) => `archive.prefix: ${prefix} lies within the archive of the mirror ${other}; choose another one`);
}

function problemsOfNames({ mirrors, cloud: { stackName } }: Configuration): string[] {
  const ofMirrors = Object.keys(mirrors).map((mirror) => mirrorQueue(stackName, { mirror, lane: 'backlog' }));
  const longest = [sharedQueue(stackName, 'failed-invocations'), ...ofMirrors].reduce((one, other) =>
    other.length > one.length ? other : one,
  );
  return longest.length > longestQueueName
    ? [`cloud.stackName: a queue would be called ${longest}, longer than ${longestQueueName} characters; shorten it`]
    : [];
}

function problemsOfOpen({ cloud: { open, vpc } }: Configuration): string[] {
  return open?.oidc === undefined || vpc === undefined
    ? []
    : ['cloud.open.oidc: functions in "cloud.vpc" reach no issuer of tokens; remove one of the two'];
}

function problemsOfServer(path: string, server: ServerConfiguration, configuration: Configuration): string[] {
  const problems = secretRefsOf(server)
    .filter(({ ref }) => !('secretsManager' in ref))
    .map(
      (found) =>
        `${path}.${found.path}: a function sees no files and no variables of yours; use {"secretsManager": "name"}`,
    );
  if (connectionsPerMirror(server, configuration) < fewestInvocations) {
    problems.push(
      `${path}.maxConnections: Lambda starts at least ${fewestInvocations} functions for each mirror that names this server; allow more connections`,
    );
  }
  if (!configuration.cloud.allowPlainHttp && isUnencrypted(server.url)) {
    problems.push(`${path}.url: is not encrypted; use https:// or set cloud.allowPlainHttp`);
  }
  return problems;
}

function isUnencrypted(serverUrl: string): boolean {
  const { protocol, hostname } = new URL(serverUrl);
  return protocol === 'http:' && !/^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}
