import { expect, test } from 'vitest';
import { type MirrorArguments, resolveMirror } from '../../cli/named-mirror.ts';
import { parseConfiguration } from '../../core/config/load.ts';
import { mirrorNamed } from '../../core/config/mirror-named.ts';

const configuration = parseConfiguration(
  `{ "mirrors": {
    "main": {
      "source": { "url": "https://source.example/", "auth": { "bearer": { "env": "TOKEN" } } },
      "targets": { "copy": { "url": "https://copy.example/" }, "far": { "url": "https://far.example/" } },
      "archive": { "folder": "/configured" },
      "concurrency": 5
    }
  } }`,
  'test',
);

const nothing: MirrorArguments = {
  source: 'http://source:8042',
  target: undefined,
  archive: undefined,
  configuration: undefined,
  values: {},
};

test.each(['constructor', 'other'])(
  'a name that the configuration does not have, such as %s, names nothing',
  (source) => {
    expect(() => resolveMirror({ ...nothing, source, configuration })).toThrow(
      `the configuration names no mirror ${source}`,
    );
    expect(mirrorNamed(configuration, source)).toBeUndefined();
  },
);

test('a mirror may be called like something that every object has', () => {
  const text = '{ "mirrors": { "constructor": { "source": { "url": "https://source.example/" }, "archive": {} } } }';
  expect(mirrorNamed(parseConfiguration(text, 'test'), 'constructor')?.archive).toEqual({});
});

test('URLs name a source and a target', () => {
  const mirror = resolveMirror({ ...nothing, target: 'http://target:8042/orthanc' });
  expect(mirror.source.configuration.url).toBe('http://source:8042');
  expect(mirror.targets.map((target) => target.configuration.url)).toEqual(['http://target:8042/orthanc']);
  expect(mirror.archive).toBeUndefined();
});

test('a name takes everything from the configuration', () => {
  const mirror = resolveMirror({ ...nothing, source: 'main', configuration });
  expect(mirror).toMatchObject({
    source: { name: 'main', configuration: { url: 'https://source.example/', auth: { bearer: { env: 'TOKEN' } } } },
    targets: [{ name: 'copy' }, { name: 'far' }],
    archive: { folder: '/configured' },
    concurrency: 5,
    pollMs: undefined,
    compareEveryMs: 86_400_000,
  });
});

test('flags win over the configuration', () => {
  const mirror = resolveMirror({
    source: 'main',
    target: 'http://other:8042',
    archive: { folder: '/given' },
    configuration,
    values: { sourceUser: 'me', sourcePasswordFile: '/secret', sourceCa: '/ca.pem', targetUser: 'you' },
  });
  expect(mirror.source.configuration).toMatchObject({
    auth: { basic: { username: 'me', password: { file: '/secret' } } },
    tls: { ca: { file: '/ca.pem' } },
  });
  expect(mirror.targets).toHaveLength(1);
  expect(mirror.targets[0]?.configuration).toMatchObject({
    url: 'http://other:8042',
    auth: { basic: { username: 'you', password: { env: 'ORTHANC_MIRROR_TARGET_PASSWORD' } } },
  });
  expect(mirror.archive).toEqual({ folder: '/given' });
});

test('credentials in a URL are taken out of it', () => {
  const { source } = resolveMirror({ ...nothing, source: 'http://me:p%40ss@source:8042', target: 'http://target' });
  expect(source.configuration.url).toBe('http://source:8042');
  expect(source.urlCredentials).toEqual({ username: 'me', password: 'p@ss' });
});

test.each([
  ['there is no destination', {}, 'there is only a source'],
  ['source and target are the same', { target: 'http://source:8042' }, 'same server'],
  ['a name has no configuration', { source: 'main' }, '--config'],
  ['the configuration does not know the name', { source: 'other', configuration }, 'it names main'],
  ['a URL is not of HTTP', { source: 'ftp://source', target: 'http://t' }, 'http:// or https://'],
  ['a URL is none', { source: 'http://', target: 'http://t' }, 'http:// or https://'],
  ['a password has no user', { target: 'http://t', values: { targetPasswordFile: 'f' } }, '--target-user'],
  ['a certificate has no key', { target: 'http://t', values: { sourceCert: 'f' } }, 'belong together'],
  ['user and token are given', { target: 'http://t', values: { sourceUser: 'u', sourceTokenFile: 'f' } }, 'exclude'],
  ['credentials are given twice', { source: 'http://u:p@s', target: 'http://t', values: { sourceUser: 'u' } }, 'both'],
])('refuses to start when %s', (_, given, message) => {
  expect(() => resolveMirror({ ...nothing, ...given })).toThrow(message);
});

test('never repeats a password in a message', () => {
  const start = () => resolveMirror({ ...nothing, source: 'http://u:hunter2@s', values: { sourceUser: 'u' } });
  expect(start).toThrow(expect.not.objectContaining({ message: expect.stringContaining('hunter2') }));
});
