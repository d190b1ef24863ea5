import { expect, test } from 'vitest';
import { requireFitForCloud } from '../../core/config/cloud-rules.ts';
import { loadConfiguration, parseConfiguration, validateConfiguration } from '../../core/config/load.ts';
import { MirrorError } from '../../core/errors.ts';

const source = { url: 'https://source.example.org/' };

/** The message with which a configuration is refused. */
function refusalOf(validate: () => unknown): string {
  try {
    validate();
  } catch (error) {
    expect(error).toBeInstanceOf(MirrorError);
    expect(error).toMatchObject({ code: 'configuration' });
    return String(error);
  }
  throw new Error('the configuration was accepted');
}

test('the example of the documentation is valid and fits the cloud', async () => {
  const configuration = await loadConfiguration('infra/example.config.jsonc');
  expect(Object.keys(configuration.mirrors)).toEqual(['city', 'harbour']);
  expect(() => requireFitForCloud(configuration)).not.toThrow();
});

test('a configuration of one line gets all defaults', () => {
  const configuration = validateConfiguration({ mirrors: { a: { source, archive: {} } } }, 'file');
  expect(configuration.mirrors.a).toMatchObject({ concurrency: 48, targets: {}, follow: { compareEveryHours: 24 } });
  expect(configuration.cloud.transfer).toMatchObject({ batchSize: 10, maxReceiveCount: 8, timeoutSeconds: 300 });
});

test('comments and trailing commas are allowed, and other mistakes in JSON are named with their line', () => {
  const text = '{\n// why\n"mirrors": {"a": {"source": {"url": "https://a/"}, "archive": {"folder": "/x"},}}}';
  expect(parseConfiguration(text, 'file').mirrors.a?.archive).toEqual({ folder: '/x' });
  expect(refusalOf(() => parseConfiguration('{\n"mirrors": }', 'my.json'))).toMatch(/my\.json .* line 2/);
});

test.each([
  ['an unknown key', { source, archive: {}, tsl: 1 }, 'mirrors.a.tsl: is not known'],
  [
    'an unknown key in one form of the archive',
    { source, archive: { folder: '/x', size: 1 } },
    'mirrors.a.archive.size: is not known',
  ],
  ['a mirror that copies nowhere', { source }, 'mirrors.a: copies nowhere'],
  ['a missing source', { archive: {} }, 'mirrors.a.source: is missing'],
  [
    'a value of the wrong kind',
    { source, archive: {}, concurrency: 'many' },
    'mirrors.a.concurrency: must be a number',
  ],
  ['a number out of range', { source, archive: {}, concurrency: 0 }, 'mirrors.a.concurrency: must be at least 1'],
  [
    'a URL of another scheme',
    { source: { url: 'file:///etc/passwd' }, archive: {} },
    'mirrors.a.source.url: is not a URL',
  ],
  ['a target with an odd name', { source, targets: { 'A/..': source } }, 'mirrors.a.targets.A/..: is not a name'],
  [
    'a prefix that leaves its place',
    { source, archive: { prefix: '/x' } },
    'mirrors.a.archive.prefix: is not a prefix',
  ],
])('%s is refused by the name of its field', (_what, mirror, message) => {
  expect(refusalOf(() => validateConfiguration({ mirrors: { a: mirror } }, 'file'))).toContain(message);
});

test.each([
  ['as a password', { ...source, auth: { basic: { username: 'u', password: 'hunter2' } } }, 'auth.basic.password'],
  ['as a token', { ...source, auth: { bearer: 'hunter2' } }, 'auth.bearer'],
  ['in an address', { url: 'https://u:hunter2@source.example.org/' }, 'url'],
  ['in a broken address', { url: 'ftp://u:hunter2@x/' }, 'url'],
  [
    'as a private key',
    {
      ...source,
      tls: { clientCertificate: { certificate: { pem: '-----BEGIN CERTIFICATE-----' }, privateKey: 'hunter2' } },
    },
    'tls.clientCertificate.privateKey',
  ],
])('a secret that stands in the configuration %s is refused and not repeated', (_how, server, field) => {
  const refusal = refusalOf(() => validateConfiguration({ mirrors: { a: { source: server, archive: {} } } }, 'file'));
  expect(refusal).toContain(`mirrors.a.source.${field}:`);
  expect(refusal).not.toContain('hunter2');
});

test('all problems are told at once', () => {
  const refusal = refusalOf(() =>
    validateConfiguration({ mirrors: { a: { source: {}, x: 1 } }, cloud: { y: 2 } }, 'file'),
  );
  expect(refusal).toContain('mirrors.a.source.url');
  expect(refusal).toContain('mirrors.a.x');
  expect(refusal).toContain('cloud.y');
});

test.each([
  ['a folder as the archive', { source, archive: { folder: '/x' } }, {}, 'mirrors.a.archive.folder'],
  ['no archive', { source, targets: { b: source } }, {}, 'mirrors.a.archive: is missing'],
  ['a bucket of its own', { source, archive: { bucket: 'mine' } }, {}, 'mirrors.a.archive.bucket'],
  [
    'a secret in a file',
    { source: { ...source, auth: { bearer: { file: '/x' } } }, archive: {} },
    {},
    'mirrors.a.source.auth.bearer',
  ],
  [
    'a secret in a variable',
    { source, targets: { b: { ...source, auth: { headers: { 'X-Key': { env: 'KEY' } } } } }, archive: {} },
    {},
    'mirrors.a.targets.b.auth.headers.X-Key',
  ],
  ['an unencrypted server', { source: { url: 'http://pacs.example.org/' }, archive: {} }, {}, 'mirrors.a.source.url'],
  [
    'an issuer of tokens that cannot be reached from a VPC',
    { source, archive: {} },
    {
      open: { oidc: { issuer: 'https://issuer.example.org', audience: 'readers' } },
      vpc: {
        vpcId: 'vpc-0123456789abcdef0',
        subnets: [{ subnetId: 'subnet-0123456789abcdef0', availabilityZone: 'eu-central-1a' }],
        serverNetworks: ['10.0.0.0/24'],
        s3PrefixList: 'pl-12345678',
      },
    },
    'cloud.open.oidc',
  ],
])('%s does not fit the cloud', (_what, mirror, cloud, message) => {
  const configuration = validateConfiguration({ mirrors: { a: mirror }, cloud }, 'file');
  expect(refusalOf(() => requireFitForCloud(configuration))).toContain(message);
});

test.each([
  ['on loopback', 'http://127.0.0.1:8042/', {}],
  ['where it is allowed', 'http://pacs.example.org/', { allowPlainHttp: true }],
])('an unencrypted server fits the cloud %s', (_where, url, cloud) => {
  const configuration = validateConfiguration({ mirrors: { a: { source: { url }, archive: {} } }, cloud }, 'file');
  expect(() => requireFitForCloud(configuration)).not.toThrow();
});

test('a field that would vanish in the parser is refused where it stands', () => {
  const text = '{\n  "mirrors": {},\n  "__proto__": { "cloud": {} }\n}';
  expect(refusalOf(() => parseConfiguration(text, 'file'))).toContain('the field "__proto__" in line 3');
});

test('a file that is all wrong is told in as much as anybody reads, and acts on no terminal', () => {
  const mirrors = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`\u009b2J ${'x'.repeat(10_000)}${n}`, {}]));
  const message = refusalOf(() => validateConfiguration({ mirrors }, 'file'));
  expect(message.length).toBeLessThan(6000);
  expect(message).toMatch(/and \d+ more problems/);
  expect(message).not.toMatch(/\p{Cc}/u);
});
