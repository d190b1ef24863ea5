/** Real clients read a whole archive through `open`: the mirror itself, another Orthanc, tools for media. */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { checkAccessLog } from '../../cli/open/access-log.ts';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { generateInstances, writeFolder } from '../../local/dicom/generate.ts';
import { identifiersOf, placeOfNth } from '../../local/dicom/identifiers.ts';
import { newOrthanc } from '../../local/orthanc-versions.ts';
import { folderPlace, orthancPlace, prove } from '../../local/prove.ts';
import { runCommand } from '../support/command.ts';
import { needs } from '../support/needs.ts';
import { type ServerUnderTest, startServer } from '../support/orthanc/study-fixture.ts';
import { adorn, adornments, backUp, uploadAccepted } from '../support/restore-scene.ts';
import { sampleFiles } from '../support/sample-files.ts';

const run = promisify(execFile);
const { bin, version } = newOrthanc();
const plugin = join(bin, '../usr/share/orthanc/plugins/libOrthancDicomWeb.so');
const cleanup = new AsyncDisposableStack();
let folder: string;
let archive: string;
let url: string;
let was: Record<string, unknown>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'open-clients-'));
  cleanup.defer(() => rm(folder, { recursive: true, force: true }));
  archive = join(folder, 'archive');
  const source = await startServer(version);
  await uploadAccepted(source, await sampleFiles('clients'));
  await adorn(source, 'before');
  const opened = await openArchive(new FolderObjects(archive), { createFor: { name: 'source' } });
  await backUp(source, opened);
  await opened.close();
  was = await adornments(source, true);
  // From here on there is no server any more.
  await source.stop();
  url = await openInProcess();
});

afterAll(() => cleanup.disposeAsync());

async function openInProcess(): Promise<string> {
  const main = join(import.meta.dirname, '../../cli/main.ts');
  const args = [
    'open',
    '--archive',
    archive,
    '--listen',
    '127.0.0.1:0',
    '--access-log',
    join(folder, 'access.jsonl'),
    '--json',
  ];
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  cleanup.defer(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    return z.object({ url: z.string() }).parse(JSON.parse(line)).url.replace(/\/$/, '');
  }
  throw new Error('open ended before it listened');
}

async function emptyServer(config: Readonly<Record<string, unknown>> = {}): Promise<ServerUnderTest> {
  const server = await startServer(version, config, [plugin]);
  cleanup.defer(() => server.stop());
  return server;
}

test('the mirror restores a server through it: every byte, and what was attached', async () => {
  const target = await emptyServer();
  const { exitCode, stdout } = await runCommand(['run', url, target.url, '--json']);
  expect({ exitCode, stdout: stdout.includes('"problem"') }).toEqual({ exitCode: 0, stdout: false });
  expect(await prove([orthancPlace('target', target.url), folderPlace('archive', archive)])).toMatchObject({
    equal: true,
  });
  expect(await adornments(target, true)).toEqual(was);
});

test('another Orthanc retrieves all of it by DICOMweb, every byte', async () => {
  const target = await emptyServer({ DicomWeb: { Servers: { archive: [`${url}/dicom-web/`] } } });
  const post = async (path: string, body: unknown): Promise<unknown> => {
    const answer = await fetch(`${target.url}/dicom-web/servers/archive/${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  };
  const listed = z
    .array(z.looseObject({ '0020000D': z.object({ Value: z.tuple([z.string()]) }) }))
    .parse(await post('get', { Uri: '/studies' }));
  const uids = new Set(listed.map((study) => study['0020000D'].Value[0]));
  await post('retrieve', { Resources: [...uids].map((Study) => ({ Study })), Synchronous: true });
  expect(await prove([orthancPlace('target', target.url), folderPlace('archive', archive)])).toMatchObject({
    equal: true,
  });
});

const hasDcmtk = existsSync('/usr/bin/dcmdump');
test.runIf(needs(hasDcmtk, 'dcmtk'))(
  'DCMTK reads what is exported, and leaves nothing of its directory out',
  async () => {
    const medium = join(folder, 'medium');
    const studies = await ids();
    const { exitCode } = await runCommand([
      'export',
      '--archive',
      archive,
      '--study',
      ...studies,
      '--to',
      medium,
      '--files-only',
    ]);
    expect(exitCode).toBe(0);
    const { stdout } = await run('dcmdump', ['+L', '--search', 'ReferencedFileID', join(medium, 'DICOMDIR')], {
      maxBuffer: 1 << 26,
    });
    const files = [...stdout.matchAll(/\[([A-Z0-9_\\]+)\]/g)].map(([, file = '']) => join(medium, ...file.split('\\')));
    expect(files.length).toBe(
      (await readFile(join(medium, 'HASHES.TXT'), 'utf8')).split('\n').filter((line) => /^[0-9a-f]{64} /.test(line))
        .length,
    );
    for (const file of files) expect(existsSync(file)).toBe(true);
    const whole = await run('dcmdump', ['-q', '+E', join(medium, 'DICOMDIR')], { maxBuffer: 1 << 26 });
    expect(whole.stderr).toBe('');
  },
);

function patientsOf(count: number): readonly string[] {
  return [...new Set(Array.from({ length: count }, (_, n) => identifiersOf(placeOfNth('medium', n)).patientId))];
}

const canValidate = existsSync('/usr/bin/dciodvfy');
test.runIf(needs(canValidate, 'dicom3tools'))(
  'dciodvfy accepts the directory of studies that tell what it needs',
  async () => {
    const [files, kept, medium] = ['well-formed', 'well-formed archive', 'well-formed medium'].map((name) =>
      join(folder, name),
    ) as [string, string, string];
    await writeFolder(files, generateInstances('medium', 12, 10_000));
    expect(await runCommand(['import', files, '--archive', kept])).toMatchObject({ exitCode: 0 });
    const places = ['--archive', kept, '--patient', ...patientsOf(12), '--to', medium, '--files-only'];
    expect(await runCommand(['export', ...places])).toMatchObject({ exitCode: 0 });
    const { stdout, stderr } = await run('dciodvfy', ['-new', join(medium, 'DICOMDIR')]);
    expect(`${stdout}${stderr}`.split('\n').filter((line) => line.startsWith('Error'))).toEqual([]);
  },
);

async function ids(): Promise<readonly string[]> {
  return z.array(z.string()).parse(await (await fetch(`${url}/studies`)).json());
}

test('all of that is in the access log, which is whole', async () => {
  const log = join(folder, 'access.jsonl');
  const { lines, wrongLine } = await checkAccessLog(log);
  expect(wrongLine).toBeUndefined();
  expect(lines).toBeGreaterThan((await ids()).length);
});
