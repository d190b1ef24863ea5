/** From the configuration of a server to what its connection needs, with the secrets fetched. */

import {
  type Credentials,
  defaultTimeouts,
  type OrthancConnection,
  type TlsOptions,
} from '../stores/orthanc/connection.ts';
import type { SecretResolver } from './secrets/resolve-secret.ts';
import type { ServerAuth, ServerConfiguration } from './server-schema.ts';

/** @returns the credentials of a server, or `undefined` if it wants none */
export function credentialsOf(server: ServerConfiguration, secrets: SecretResolver): Credentials | undefined {
  const { auth } = server;
  return auth === undefined ? undefined : (refresh) => headersOf(auth, secrets, refresh);
}

async function headersOf(auth: ServerAuth, secrets: SecretResolver, refresh: boolean): Promise<Record<string, string>> {
  if ('basic' in auth) {
    const { username, password } = auth.basic;
    const user = typeof username === 'string' ? username : await secrets.resolve(username, refresh);
    const pair = `${user}:${await secrets.resolve(password, refresh)}`;
    return { authorization: `Basic ${Buffer.from(pair, 'utf8').toString('base64')}` };
  }
  if ('bearer' in auth) {
    return { authorization: `Bearer ${await secrets.resolve(auth.bearer, refresh)}` };
  }
  const headers = Object.entries(auth.headers).map(
    async ([name, value]): Promise<[string, string]> => [
      name.toLowerCase(),
      typeof value === 'string' ? value : await secrets.resolve(value, refresh),
    ],
  );
  return Object.fromEntries(await Promise.all(headers));
}

/** Fetches the certificates and keys of a server; empty if it has none of its own. Throws what the secrets throw. */
export async function tlsMaterialOf({ tls }: ServerConfiguration, secrets: SecretResolver): Promise<TlsOptions> {
  const client = tls?.clientCertificate;
  return {
    ...(tls?.ca === undefined ? {} : { ca: await secrets.resolvePem(tls.ca) }),
    ...(client === undefined
      ? {}
      : { cert: await secrets.resolvePem(client.certificate), key: await secrets.resolve(client.privateKey) }),
    ...(client?.passphrase === undefined ? {} : { passphrase: await secrets.resolve(client.passphrase) }),
  };
}

/** @returns how long a server may take and how much it may send, as its connection wants to know it */
export function boundsOf({ limits }: ServerConfiguration): Pick<OrthancConnection, 'timeouts' | 'limits'> {
  if (limits === undefined) return {};
  const longMs = limits.answerSeconds * 1000;
  const shortMs = Math.min(longMs, defaultTimeouts.queryMs);
  return {
    timeouts: { longMs, queryMs: shortMs, bodyMs: shortMs },
    limits: {
      leastBytesPerSecond: limits.bytesPerSecond,
      rateWindowMs: shortMs,
      mostInstances: limits.instances,
    },
  };
}

/** @returns how many connections one of `processes` that work at once may open to a server; at least 1 */
export function connectionsPerProcess({ maxConnections }: ServerConfiguration, processes: number): number {
  return Math.max(1, Math.floor(maxConnections / processes));
}
