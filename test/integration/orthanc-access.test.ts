/** Who may talk to a server, and whom we talk to: credentials, certificates, addresses. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MirrorError } from '../../core/errors.ts';
import { parseCapabilities } from '../../core/stores/orthanc/capabilities.ts';
import type { OrthancConnection } from '../../core/stores/orthanc/connection.ts';
import { IdCheck } from '../../core/stores/orthanc/id-check.ts';
import { openOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import { OverwriteCheck } from '../../core/stores/orthanc/overwrite-check.ts';
import { storeInstance } from '../../core/stores/orthanc/store-instance.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { createAuthority } from '../support/certificates.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';

/** @returns the version that a server tells, or the code of the error. */
async function versionThrough(connection: OrthancConnection): Promise<string> {
  const store = openOrthancStore(connection);
  try {
    return (await store.capabilities()).version;
  } catch (error) {
    if (!(error instanceof MirrorError)) throw error;
    expect(error.message).not.toMatch(/secret|wrong/);
    return error.code;
  } finally {
    await store.close();
  }
}

describe.each([oldOrthanc(), newOrthanc()])('Orthanc $version with users', ({ version }) => {
  let server: OrthancServer;
  beforeAll(async () => {
    const config = { AuthenticationEnabled: true, RegisteredUsers: { alice: 'secret', bob: 'secret:2 ä' } };
    server = await startOrthanc({ version, config });
  });
  afterAll(() => server?.stop());

  it('lets in who has the password', async () => {
    const { url } = server;
    expect(await versionThrough({ url, authorization: { username: 'alice', password: 'secret' } })).toBe(version);
    expect(await versionThrough({ url, authorization: { username: 'bob', password: 'secret:2 ä' } })).toBe(version);
    const authorization = { headers: { authorization: `Basic ${Buffer.from('alice:secret').toString('base64')}` } };
    expect(await versionThrough({ url, authorization })).toBe(version);
  });

  it('halts who has not', async () => {
    const { url } = server;
    expect(await versionThrough({ url })).toBe('unauthorized');
    expect(await versionThrough({ url, authorization: { username: 'alice', password: 'wrong' } })).toBe('unauthorized');
    expect(await versionThrough({ url, authorization: { bearer: 'wrong' } })).toBe('unauthorized');
  });

  it('asks once for fresh credentials, for many requests at once', async () => {
    const asked: boolean[] = [];
    const store = openOrthancStore({
      url: server.url,
      authorization: async (refresh) => {
        asked.push(refresh);
        const password = refresh ? 'secret' : 'wrong';
        return { authorization: `Basic ${Buffer.from(`alice:${password}`).toString('base64')}` };
      },
    });
    const answers = await Promise.all(Array.from({ length: 6 }, () => store.client.findText('/tools/now')));
    await store.close();
    expect(answers.every((answer) => answer !== undefined)).toBe(true);
    expect(asked).toEqual([false, true]);
  });

  it('tells early that credentials are wrong, though a large body is on its way', async () => {
    const size = 64 * 1024 * 1024;
    const instance = generateInstance(placeOfNth('early', 0), size);
    async function* body() {
      for (let offset = 0; offset < size; offset += 65_536) yield instance.bytes.subarray(offset, offset + 65_536);
    }
    const store = openOrthancStore({ url: server.url, authorization: { username: 'alice', password: 'wrong' } });
    // Skips the question for the server's capabilities, which would be refused before.
    const capabilities = parseCapabilities({ Version: version, OverwriteInstances: false });
    const { client } = store;
    const receiving = { client, capabilities, ids: new IdCheck(client), overwriting: new OverwriteCheck() };
    const stored = storeInstance(receiving, instance, body(), {});
    await expect(stored).rejects.toMatchObject({ code: 'unauthorized', disposition: 'halt' });
    await store.close();
  });
});

describe('an Orthanc behind TLS', () => {
  const authority = createAuthority('private authority');
  const ours = authority.issue('mirror');
  const own = { cert: ours.certificate, key: ours.privateKey };
  let server: OrthancServer;
  let proxy: FaultProxy;
  beforeAll(async () => {
    const { certificate, privateKey } = authority.issue('localhost');
    server = await startOrthanc(newOrthanc());
    const clients = { requestCert: true, rejectUnauthorized: true, ca: authority.certificate };
    proxy = await startFaultProxy(server.url, { cert: certificate, key: privateKey, ...clients });
  });
  afterAll(async () => {
    await proxy?.close();
    await server?.stop();
  });

  it('is trusted by a private authority, and trusts our certificate', async () => {
    const tls = { ca: authority.certificate, ...own };
    expect(await versionThrough({ url: proxy.url, tls })).toBe(server.version);
    const byName = proxy.url.replace('127.0.0.1', 'localhost');
    expect(await versionThrough({ url: byName, tls })).toBe(server.version);
  });

  it('is not trusted without its authority, nor under another name', async () => {
    expect(await versionThrough({ url: proxy.url, tls: own })).toBe('tls-untrusted');
    const elsewhere = { ca: authority.certificate, ...own, servername: 'other.example' };
    expect(await versionThrough({ url: proxy.url, tls: elsewhere })).toBe('tls-untrusted');
    expect(proxy.seen.filter(({ path }) => path !== '/system')).toEqual([]);
  });

  it('does not let us in without our certificate', async () => {
    const refused = await versionThrough({ url: proxy.url, tls: { ca: authority.certificate } });
    // With TLS 1.3 a server looks at our certificate after we have finished: some tell then, some just hang up.
    expect(['tls-untrusted', 'unreachable']).toContain(refused);
  });

  it('that wants a certificate as nginx does, with 400, is told from a server that refuses an instance', async () => {
    const tls = { ca: authority.certificate, ...own };
    proxy.break({ effect: { kind: 'status', status: 400 } });
    expect(await versionThrough({ url: proxy.url, tls })).toBe('forbidden');
    proxy.repair();
  });
});

describe('an address that is not quite right', () => {
  let server: OrthancServer;
  let proxy: FaultProxy;
  beforeAll(async () => {
    server = await startOrthanc(oldOrthanc());
    proxy = await startFaultProxy(server.url);
  });
  afterAll(async () => {
    await proxy?.close();
    await server?.stop();
  });

  it('with a wrong base path is no Orthanc', async () => {
    expect(await versionThrough({ url: `${server.url}/app/` })).toBe('not-orthanc');
  });

  it('that redirects is not followed', async () => {
    proxy.break({ effect: { kind: 'status', status: 302, headers: { location: server.url } } });
    expect(await versionThrough({ url: proxy.url })).toBe('not-orthanc');
    expect(proxy.seen.at(-1)?.path).toBe('/system');
  });

  it('of a server that speaks no TLS, or is not there, says so', async () => {
    expect(await versionThrough({ url: server.url.replace('http:', 'https:') })).toBe('tls-untrusted');
    expect(await versionThrough({ url: 'http://127.0.0.1:1' })).toBe('unreachable');
  });
});
