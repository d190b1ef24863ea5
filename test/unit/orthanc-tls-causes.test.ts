/** What is wrong with a TLS connection is told by its cause, with what to do about it. */
import { once } from 'node:events';
import { createServer as createPlainServer, type RequestListener, type Server } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TlsOptions as ServerTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { secretResolver } from '../../core/config/secrets/resolve-secret.ts';
import { tlsMaterialOf } from '../../core/config/server-access.ts';
import type { OrthancConnection } from '../../core/stores/orthanc/connection.ts';
import { OrthancClient } from '../../core/stores/orthanc/http-client.ts';
import { createAuthority } from '../support/certificates.ts';

const authority = createAuthority('authority of the hospital');
const other = createAuthority('somebody else');
const server = authority.issue('server');
const identity = { cert: server.certificate, key: server.privateKey };
const answer: RequestListener = (_, response) => response.end('{}');

async function portOf(listening: Server): Promise<number> {
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  onTestFinished(() => {
    listening.closeAllConnections();
    listening.close();
  });
  return (listening.address() as AddressInfo).port;
}

const withTls = (options: ServerTls = {}) => portOf(createServer({ ...identity, ...options }, answer));

/** The message of a first question. */
async function complaint(connection: OrthancConnection): Promise<string> {
  const client = new OrthancClient(connection, () => undefined);
  try {
    await client.findText('/system');
    return 'none';
  } catch (error) {
    return String(error);
  } finally {
    await client.close();
  }
}

describe('a connection with TLS that fails', () => {
  it('for want of the authority asks for it', async () => {
    const port = await withTls();
    expect(await complaint({ url: `https://localhost:${port}` })).toMatch(/tls\.ca/);
    expect(await complaint({ url: `https://localhost:${port}`, tls: { ca: other.certificate } })).toMatch(/tls\.ca/);
    expect(await complaint({ url: `https://localhost:${port}`, tls: { ca: authority.certificate } })).toBe('none');
  });

  it('because of another name says so', async () => {
    const tls = { ca: authority.certificate, servername: 'pacs.example.org' };
    expect(await complaint({ url: `https://localhost:${await withTls()}`, tls })).toMatch(/is for another name/);
  });

  it('because the port speaks plain HTTP asks for http://', async () => {
    const port = await portOf(createPlainServer(answer));
    expect(await complaint({ url: `https://localhost:${port}` })).toMatch(/does not speak TLS.*http:\/\//);
  });

  it('because the server wants to know us asks for our certificate', async () => {
    const port = await withTls({ requestCert: true, rejectUnauthorized: true, ca: authority.certificate });
    const tls = { ca: authority.certificate };
    expect(await complaint({ url: `https://localhost:${port}`, tls })).toMatch(/tls\.clientCertificate/);
    const foreign = other.issue('us');
    const untrusted = { ...tls, cert: foreign.certificate, key: foreign.privateKey };
    expect(await complaint({ url: `https://localhost:${port}`, tls: untrusted })).toMatch(/tls\.clientCertificate/);
    const ours = authority.issue('us');
    const trusted = { ...tls, cert: ours.certificate, key: ours.privateKey };
    expect(await complaint({ url: `https://localhost:${port}`, tls: trusted })).toBe('none');
  });
});

it('plain HTTP to a port that expects TLS asks for https://', async () => {
  expect(await complaint({ url: `http://localhost:${await withTls()}` })).toMatch(/begins with https:\/\//);
});

describe('a certificate authority', () => {
  const secrets = secretResolver({ fetchSecret: async () => 'none' });
  const material = (pem: string) =>
    tlsMaterialOf({ url: 'https://x', maxConnections: 1, tls: { ca: { pem } } }, secrets);

  it.each([
    ['nothing', 'hello', /no certificate/],
    ['a key', server.privateKey, /a private key, not certificate|a private key/],
    ['half of one', `-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`, /cannot be read/],
  ])('is refused if it is %s', async (_, pem, says) => {
    await expect(material(pem)).rejects.toMatchObject({ code: 'configuration', message: expect.stringMatching(says) });
  });

  it('may be several', async () => {
    const both = authority.certificate + other.certificate;
    expect(await material(both)).toEqual({ ca: both });
  });
});
