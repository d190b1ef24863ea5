/** Finds every reference to a secret (or file) of a server, for rules and permissions. */
import type { PemRef, SecretRef, ServerAuth, ServerConfiguration } from './server-schema.ts';

export interface FoundRef {
  /** Where in the configuration of the server, such as `auth.basic.password`. */
  readonly path: string;
  readonly ref: SecretRef;
}

/** Everything that has to be fetched from elsewhere before the server can be reached. */
export function secretRefsOf(server: ServerConfiguration): FoundRef[] {
  const candidates: [string, SecretRef | PemRef | string | undefined][] = [
    ...(server.auth === undefined ? [] : refsOfAuth(server.auth)),
    ['tls.ca', server.tls?.ca],
    ['tls.clientCertificate.certificate', server.tls?.clientCertificate?.certificate],
    ['tls.clientCertificate.privateKey', server.tls?.clientCertificate?.privateKey],
    ['tls.clientCertificate.passphrase', server.tls?.clientCertificate?.passphrase],
  ];
  return candidates.flatMap(([path, ref]) => (typeof ref === 'object' && !('pem' in ref) ? [{ path, ref }] : []));
}

function refsOfAuth(auth: ServerAuth): [string, SecretRef | string][] {
  if ('basic' in auth) {
    return [
      ['auth.basic.username', auth.basic.username],
      ['auth.basic.password', auth.basic.password],
    ];
  }
  if ('bearer' in auth) {
    return [['auth.bearer', auth.bearer]];
  }
  return Object.entries(auth.headers).map(([name, value]) => [`auth.headers.${name}`, value]);
}
