import { expect, test } from 'vitest';
import {
  type EgressRules,
  guardedLookup,
  isAllowedAddress,
  requireAllowedHost,
} from '../../core/stores/orthanc/egress-guard.ts';
import { OrthancClient } from '../../core/stores/orthanc/http-client.ts';

const publicOnly: EgressRules = { allowPrivateNetworks: false };
const withPrivate: EgressRules = { allowPrivateNetworks: true };

test.each([
  '8.8.8.8',
  '172.32.0.1',
  '100.128.0.1',
  '2606:4700::1111',
  '2001:4860:4860::8888',
  '2a00:1450::5efe',
  '::ffff:8.8.8.8',
])('%s is public', (address) => {
  expect([isAllowedAddress(address, publicOnly), isAllowedAddress(address, withPrivate)]).toEqual([true, true]);
});

test.each([
  '10.0.0.1',
  '127.0.0.1',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  '198.18.0.1',
  '::1',
  'fd12:3456::1',
  '::ffff:10.0.0.1',
])('%s is private: allowed only when the configuration says so', (address) => {
  expect([isAllowedAddress(address, publicOnly), isAllowedAddress(address, withPrivate)]).toEqual([false, true]);
});

test.each([
  '169.254.169.254',
  '169.254.170.2',
  '0.0.0.0',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  'fe80::1',
  'ff02::1',
  'fd00:ec2::254',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '0:0:0:0:0:ffff:a9fe:a9fe',
  // Addresses that hide an IPv4 address: a translation or a tunnel would lead to it.
  '64:ff9b::a9fe:a9fe',
  '64:ff9b::8.8.8.8',
  '64:ff9b:1::a9fe:a9fe',
  '64:ff9b:1:ffff:ffff:ffff:a9fe:a9fe',
  '::169.254.169.254',
  '::a9fe:a9fe',
  '::127.0.0.1',
  '::ffff:0:169.254.169.254',
  '2002:a9fe:a9fe::1',
  '2001:0:4136:e378:8000:63bf:3fff:fdd2',
  '2001::a9fe:a9fe',
  '2606:4700::5efe:a9fe:a9fe',
  '2606:4700::200:5efe:169.254.169.254',
  'fd12:3456::300:5efe:10.0.0.1',
  // Not for servers: site-local, discard, benchmarks, examples, the 6bone, with a zone.
  'fec0::1',
  'feff::1',
  '100::1',
  '2001:2::1',
  '2001:20::1',
  '2001:db8::1',
  '3ffe::1',
  '3fff::1',
  '4000::1',
  '5f00::1',
  'fe80::1%eth0',
  'fd12:3456::1%eth0',
  '192.0.0.192',
  '192.0.2.1',
  '192.88.99.1',
  '198.51.100.1',
  '203.0.113.1',
  'orthanc.example.org',
  '',
])('%s is never allowed', (address) => {
  expect([isAllowedAddress(address, publicOnly), isAllowedAddress(address, withPrivate)]).toEqual([false, false]);
});

test.each(['http://169.254.169.254/', 'http://[fe80::1]/', 'http://2852039166/', 'http://0xa9.254.169.254/'])(
  'a server cannot be at %s, however its address is written',
  (url) => {
    expect(() => new OrthancClient({ url, egress: withPrivate })).toThrow('Link-local is never allowed');
  },
);

test('without rules, as on the command line, any address may be used', () => {
  expect(() => requireAllowedHost('127.0.0.1', undefined)).not.toThrow();
});

/** What a lookup gives when DNS answers with these addresses. */
function lookUp(rules: EgressRules, ...answers: string[]): Promise<{ error: unknown; addresses: unknown }> {
  const resolve = guardedLookup(rules, ((
    _host: string,
    _options: object,
    callback: (error: null, addresses: object[]) => void,
  ) =>
    callback(
      null,
      answers.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )) as never);
  return new Promise((done) => {
    resolve('orthanc.example.org', { all: true }, (error, addresses) => done({ error, addresses }));
  });
}

test('a name that leads to a public address is resolved', async () => {
  expect(await lookUp(publicOnly, '8.8.8.8')).toEqual({ error: null, addresses: [{ address: '8.8.8.8', family: 4 }] });
});

test('a name that leads to a forbidden address besides a public one is not resolved at all', async () => {
  const { error } = await lookUp(withPrivate, '8.8.8.8', '169.254.169.254');
  expect(error).toMatchObject({ code: 'configuration' });
});

test('a real connection by name to a private address fails with a reason that says what to do', async () => {
  const client = new OrthancClient({ url: 'http://localhost:9/', egress: publicOnly });
  try {
    await expect(client.request({ method: 'GET', path: '/system' })).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringContaining('cloud.allowPrivateNetworks'),
    });
  } finally {
    await client.close();
  }
});
