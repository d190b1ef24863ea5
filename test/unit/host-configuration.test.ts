// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is Orthanc's notation of variables
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfiguration } from '../../core/orthanc-disk/configuration/read-configuration.ts';
import { substituteVariables } from '../../core/orthanc-disk/configuration/substitute-variables.ts';
import { readOrthancHost } from '../../core/orthanc-disk/orthanc-host.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'host-configuration-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('variables', () => {
  // The cases of Orthanc's own unit test, FrameworkTests.cpp, Toolbox.SubstituteVariables.
  it.each([
    ['A${PATH}B', { PATH: '/bin' }, 'A/binB'],
    ['${NOPE:-hello}', {}, 'hello'],
    ['${NOPE:-"a:b"}', {}, 'a:b'],
    ["${NOPE:-'it is'}", {}, 'it is'],
    ['${A:-no}', { A: 'yes' }, 'yes'],
    ['${A} ${B}', { A: '1', B: '2' }, '1 2'],
    ['$A {A}', { A: '1' }, '$A {A}'],
    ['${EMPTY:-}', {}, ''],
  ])('are put into %j', (text, environment, expected) => {
    expect(substituteVariables(text, environment)).toEqual({ text: expected, undefinedVariables: [] });
  });

  it('without a value become nothing, and are told', () => {
    expect(substituteVariables('x${GONE}y', {})).toEqual({ text: 'xy', undefinedVariables: ['GONE'] });
  });
});

describe('a configuration', () => {
  it('may be a folder of files with comments, trailing commas and variables', async () => {
    write('a.json', '{\n // where\n "StorageDirectory" : "${STORE:-/var/lib/orthanc/db}", /* more */\n}');
    write('b.JSON', '{"Name": "demo"}');
    write('c.txt', 'not JSON');
    mkdirSync(join(folder, 'd.json'));
    const configuration = await readConfiguration(folder, { STORE: '/data' });
    expect(configuration.options).toEqual({ StorageDirectory: '/data', Name: 'demo' });
    expect(configuration.files).toEqual([join(folder, 'a.json'), join(folder, 'b.JSON')]);
  });

  it('with one section in two files is refused, as Orthanc does', async () => {
    write('a.json', '{"Name": "a"}');
    write('b.json', '{"Name": "b"}');
    await expect(readConfiguration(folder, {})).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringMatching(/b\.json: section "Name"/),
    });
  });

  it.each([
    ['{"Name": ', /line 1/],
    ['{\n"Name": 1\n"X": 2}', /line 3/],
    ['[1]', /one JSON object/],
  ])('that is no JSON object (%j) is refused with its place', async (text, message) => {
    const path = write('bad.json', text);
    await expect(readConfiguration(path, {})).rejects.toMatchObject({
      code: 'configuration',
      message: expect.stringMatching(message),
    });
  });

  it('that is missing, or a folder without any, is refused', async () => {
    await expect(readConfiguration(join(folder, 'no'), {})).rejects.toMatchObject({ code: 'configuration' });
    await expect(readConfiguration(folder, {})).rejects.toMatchObject({ code: 'configuration' });
  });
});

describe('a host', () => {
  it('has its storage and its SQLite index beside its configuration by default', async () => {
    expect(await readOrthancHost(write('orthanc.json', '{}'), {})).toMatchObject({
      storage: { kind: 'folder', folders: { main: join(folder, 'OrthancStorage'), others: [] } },
      index: { kind: 'sqlite', path: join(folder, 'OrthancStorage', 'index') },
      httpPort: 8042,
    });
  });

  it('has them where the configuration says', async () => {
    const text =
      '{"StorageDirectory": "/s", "IndexDirectory": "i", "LuaScripts": ["a.lua"], "SslCertificate": "c.pem"}';
    expect(await readOrthancHost(write('orthanc.json', text), {})).toMatchObject({
      storage: { kind: 'folder', folders: { main: '/s', others: [] } },
      index: { kind: 'sqlite', path: join(folder, 'i', 'index') },
      namedFiles: [join(folder, 'a.lua'), join(folder, 'c.pem')],
    });
  });

  it.each([
    ['{"PostgreSQL": {"EnableIndex": true, "Host": "db", "Database": "o"}}', 'postgresql', 'folder'],
    ['{"PostgreSQL": {"EnableIndex": false, "Host": "db"}}', 'sqlite', 'folder'],
    ['{"PostgreSQL": {"EnableIndex": true, "EnableStorage": true}}', 'postgresql', 'database'],
    ['{"MySQL": {"EnableIndex": true}}', 'mysql', 'folder'],
    ['{"Odbc": {"EnableIndex": true}}', 'odbc', 'folder'],
    ['{"AwsS3Storage": {"BucketName": "b"}}', 'sqlite', 'object-storage'],
  ])('with %s keeps its index in %s and its files in a %s', async (text, index, storage) => {
    const host = await readOrthancHost(write('orthanc.json', text), {});
    expect([host.index.kind, host.storage.kind]).toEqual([index, storage]);
  });

  it('with an option of a wrong type is refused, without its value', async () => {
    const path = write('orthanc.json', '{"PostgreSQL": {"EnableIndex": true, "Password": 1234567}}');
    const refusal = await readOrthancHost(path, {}).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'configuration', message: expect.stringMatching(/PostgreSQL\.Password/) });
    expect(String(refusal)).not.toContain('1234567');
  });
});
