/** What a valid configuration must further fulfil to run in the cloud. */
import { MirrorError } from '../errors.ts';
import type { Configuration, MirrorConfiguration } from './schema.ts';
import { secretRefsOf } from './secret-refs.ts';
import type { ServerConfiguration } from './server-schema.ts';

/** Throws `configuration`, naming every field that cannot work in a function of the cloud stack. */
export function requireFitForCloud(configuration: Configuration): void {
  const problems = Object.entries(configuration.mirrors).flatMap(([name, mirror]) =>
    problemsOfMirror(mirror, configuration.cloud.allowPlainHttp).map((problem) => `mirrors.${name}.${problem}`),
  );
  if (problems.length > 0) {
    throw new MirrorError('configuration', `The configuration does not fit the cloud: ${problems.join('; ')}.`);
  }
}

function problemsOfMirror(mirror: MirrorConfiguration, allowPlainHttp: boolean): string[] {
  const servers: [string, ServerConfiguration][] = [
    ['source', mirror.source],
    ...Object.entries(mirror.targets).map(([name, server]): [string, ServerConfiguration] => [
      `targets.${name}`,
      server,
    ]),
  ];
  return [
    ...problemsOfArchive(mirror),
    ...servers.flatMap(([path, server]) => problemsOfServer(path, server, allowPlainHttp)),
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

function problemsOfServer(path: string, server: ServerConfiguration, allowPlainHttp: boolean): string[] {
  const problems = secretRefsOf(server)
    .filter(({ ref }) => !('secretsManager' in ref))
    .map(
      (found) =>
        `${path}.${found.path}: a function sees no files and no variables of yours; use {"secretsManager": "name"}`,
    );
  if (!allowPlainHttp && isUnencrypted(server.url)) {
    problems.push(`${path}.url: is not encrypted; use https:// or set cloud.allowPlainHttp`);
  }
  return problems;
}

function isUnencrypted(serverUrl: string): boolean {
  const { protocol, hostname } = new URL(serverUrl);
  return protocol === 'http:' && !/^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}
