/**
 * The options that say how a server is reached which is named on the command line, or that override what the
 * configuration file says of it. A secret is never an option: options name the file or variable that holds it.
 */
import type { Option } from 'commander';
import * as z from 'zod';
import type { ServerAuth, ServerConfiguration } from '../core/config/server-schema.ts';
import { MirrorError } from '../core/errors.ts';
import { type OrthancAddress, parseOrthancUrl } from '../core/stores/orthanc/address.ts';
import { defaultMaxConnections } from '../core/stores/orthanc/connection.ts';
import { valueOption } from './options.ts';

/** What a server is to the command; the options begin with it: `--source-ca`. */
export type ServerRole = 'source' | 'target';

/** The options of one server, to be added to a command one by one. */
export function serverOptions(role: ServerRole): readonly Option[] {
  const variable = passwordVariable(role);
  return [
    valueOption(
      `--${role}-user <name>`,
      `user of the ${role}; the password is in --${role}-password-file or ${variable}`,
    ),
    valueOption(`--${role}-password-file <file>`, `file that holds the password for the ${role}`),
    valueOption(
      `--${role}-token-file <file>`,
      `file that holds the token sent to the ${role} as Authorization: Bearer`,
    ),
    valueOption(`--${role}-ca <file>`, `certificate authority of the ${role}, in PEM`),
    valueOption(`--${role}-cert <file>`, `certificate that we present to the ${role}, in PEM`),
    valueOption(`--${role}-key <file>`, `private key of that certificate, in PEM`),
  ];
}

/** A server as the command line and the configuration file name it. */
export interface NamedServer {
  readonly configuration: ServerConfiguration;
  /** From the URL itself, as users of `Replicate.py` type them. */
  readonly urlCredentials: OrthancAddress['credentials'];
  /** What the user should change. */
  readonly warnings: readonly string[];
}

/**
 * A server that is given by its URL.
 * @param values all option values of the command
 * @param what the argument or option that gives the URL
 * @throws MirrorError `configuration` if the URL or the options make no sense
 */
export function serverOfUrl(role: ServerRole, text: string, values: unknown, what = role.toUpperCase()): NamedServer {
  const { url, credentials, warnings } = parseOrthancUrl(text, what);
  const configuration = overrideServer(role, { url, maxConnections: connectionsFor(values) }, values);
  if (credentials !== undefined && configuration.auth !== undefined) {
    throw new MirrorError(
      'configuration',
      `the ${role} has credentials both in its URL and in options; give one of them`,
    );
  }
  return { configuration, urlCredentials: credentials, warnings };
}

/** Whoever asks for more copies at once than a server has connections by default means it. */
function connectionsFor(values: unknown): number {
  const { concurrency = 0 } = z.looseObject({ concurrency: z.number().optional() }).parse(values);
  return Math.max(defaultMaxConnections, concurrency);
}

/** A server of the configuration file, as far as options do not say otherwise. */
export function overrideServer(role: ServerRole, server: ServerConfiguration, values: unknown): ServerConfiguration {
  const flags = serverFlags(role, values);
  const auth = authOf(role, flags) ?? server.auth;
  const tls = tlsOf(role, flags, server.tls);
  return { ...server, ...(auth && { auth }), ...(tls && { tls }) };
}

const flagNames = ['User', 'PasswordFile', 'TokenFile', 'Ca', 'Cert', 'Key'] as const;
type ServerFlags = Partial<Record<(typeof flagNames)[number], string>>;

function serverFlags(role: ServerRole, values: unknown): ServerFlags {
  const given = z.record(z.string(), z.unknown()).parse(values);
  const entries = flagNames.map((name) => [name, z.string().optional().parse(given[`${role}${name}`])]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

function authOf(role: ServerRole, { User, PasswordFile, TokenFile }: ServerFlags): ServerAuth | undefined {
  if (User === undefined && PasswordFile !== undefined) {
    throw new MirrorError('configuration', `--${role}-password-file needs --${role}-user`);
  }
  if (User !== undefined && TokenFile !== undefined) {
    throw new MirrorError('configuration', `--${role}-user and --${role}-token-file exclude each other`);
  }
  if (TokenFile !== undefined) return { bearer: { file: TokenFile } };
  if (User === undefined) return undefined;
  const password = PasswordFile === undefined ? { env: passwordVariable(role) } : { file: PasswordFile };
  return { basic: { username: User, password } };
}

function tlsOf(
  role: ServerRole,
  { Ca, Cert, Key }: ServerFlags,
  base: ServerConfiguration['tls'],
): ServerConfiguration['tls'] {
  if ((Cert === undefined) !== (Key === undefined)) {
    throw new MirrorError('configuration', `--${role}-cert and --${role}-key belong together`);
  }
  if (Ca === undefined && Cert === undefined) return base;
  return {
    ...base,
    ...(Ca !== undefined && { ca: { file: Ca } }),
    ...(Cert !== undefined &&
      Key !== undefined && {
        clientCertificate: { certificate: { file: Cert }, privateKey: { file: Key } },
      }),
  };
}

function passwordVariable(role: ServerRole): string {
  return `ORTHANC_MIRROR_${role.toUpperCase()}_PASSWORD`;
}
