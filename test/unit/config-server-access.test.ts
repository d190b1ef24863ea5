import { expect, test } from 'vitest';
import { secretResolver } from '../../core/config/secrets/resolve-secret.ts';
import { boundsOf, connectionsPerProcess, credentialsOf, tlsMaterialOf } from '../../core/config/server-access.ts';
import { serverSchema } from '../../core/config/server-schema.ts';
import { defaultServerLimits } from '../../core/stores/orthanc/bounds.ts';
import { defaultTimeouts } from '../../core/stores/orthanc/connection.ts';
import { createAuthority } from '../support/certificates.ts';

const url = 'https://orthanc.example.org/';

/** Secrets that tell their name and how often they were fetched. */
function numberedSecrets() {
  let fetched = 0;
  return secretResolver({
    timeToLiveMs: 0,
    fetchSecret: async (name) => {
      fetched += 1;
      return `${name}-${fetched}`;
    },
  });
}

test('a server without authentication gets no credentials', () => {
  expect(credentialsOf(serverSchema.parse({ url }), numberedSecrets())).toBeUndefined();
});

test.each([
  [
    'basic',
    { basic: { username: 'mirror', password: { secretsManager: 's' } } },
    { authorization: `Basic ${btoa('mirror:s-1')}` },
  ],
  ['bearer', { bearer: { secretsManager: 's' } }, { authorization: 'Bearer s-1' }],
  [
    'headers',
    { headers: { 'X-Api-Key': { secretsManager: 's' }, 'X-Site': 'city' } },
    { 'x-api-key': 's-1', 'x-site': 'city' },
  ],
])('%s authentication becomes headers', async (_kind, auth, headers) => {
  const credentials = credentialsOf(serverSchema.parse({ url, auth }), numberedSecrets());
  expect(await credentials?.(false)).toEqual(headers);
});

test('a password outside ASCII is sent as UTF-8', async () => {
  const auth = { basic: { username: 'müller', password: { secretsManager: 's' } } };
  const headers = await credentialsOf(serverSchema.parse({ url, auth }), numberedSecrets())?.(false);
  expect(Buffer.from(headers?.authorization?.slice('Basic '.length) ?? '', 'base64').toString('utf8')).toBe(
    'müller:s-1',
  );
});

test('refreshed credentials hold the secret of now', async () => {
  const credentials = credentialsOf(
    serverSchema.parse({ url, auth: { bearer: { secretsManager: 's' } } }),
    numberedSecrets(),
  );
  expect(await credentials?.(false)).toEqual({ authorization: 'Bearer s-1' });
  expect(await credentials?.(true)).toEqual({ authorization: 'Bearer s-2' });
});

test('certificates are fetched from where they lie', async () => {
  const pem = createAuthority('ours').certificate;
  const tls = { ca: { pem }, clientCertificate: { certificate: { pem }, privateKey: { secretsManager: 'key' } } };
  expect(await tlsMaterialOf(serverSchema.parse({ url, tls }), numberedSecrets())).toEqual({
    ca: pem,
    cert: pem,
    key: 'key-1',
  });
  expect(await tlsMaterialOf(serverSchema.parse({ url }), numberedSecrets())).toEqual({});
});

test.each([
  [16, 1, 16],
  [16, 5, 3],
  [2, 10, 1],
])('of %i connections each of %i processes gets %i', (maxConnections, processes, connections) => {
  expect(connectionsPerProcess(serverSchema.parse({ url, maxConnections }), processes)).toBe(connections);
});

test('limits of a server reach its connection, and the defaults are those of the connection', () => {
  expect(boundsOf(serverSchema.parse({ url }))).toEqual({});
  const configured = serverSchema.parse({ url, limits: { answerSeconds: 20, bytesPerSecond: 8, instances: 99 } });
  expect(boundsOf(configured)).toEqual({
    timeouts: { longMs: 20_000, queryMs: 20_000, bodyMs: 20_000 },
    limits: { leastBytesPerSecond: 8, rateWindowMs: 20_000, mostInstances: 99 },
  });
  const { connectMs, ...timeouts } = defaultTimeouts;
  const { mostInstanceBytes, ...limits } = defaultServerLimits;
  expect(connectMs).toBeGreaterThan(0);
  expect(mostInstanceBytes).toBeGreaterThan(4 * 1024 ** 3);
  expect(boundsOf(serverSchema.parse({ url, limits: {} }))).toEqual({ timeouts, limits });
});
