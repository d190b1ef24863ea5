/** What is damaged or lost in an archive beside the instances: it is found, costs only itself, and is put right. */
import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateInstance } from '../../local/dicom/generate.ts';
import { newOrthanc } from '../../local/orthanc-versions.ts';
import { folderForTest } from '../e2e/support/scene.ts';
import { type CommandResult, runCommand } from '../support/command.ts';
import { json, put, text } from '../support/orthanc/rest.ts';
import { type ServerUnderTest, startServer } from '../support/orthanc/study-fixture.ts';
import { adorn, adornments, idsOf, serverUnderTest, uploadAccepted } from '../support/restore-scene.ts';

const studies = 3;
const instancesOfStudy = 7;

let source: ServerUnderTest;
/** An archive with two states of each sidecar; tests work on copies of it. */
let original: string;
let was: Record<string, unknown>;

beforeAll(async () => {
  source = await startServer(newOrthanc().version);
  const files = Array.from({ length: studies * instancesOfStudy }, (_, n) =>
    generateInstance({ seed: 'damage', patient: n % studies, study: 0, series: 0, instance: n }, 2200),
  );
  await uploadAccepted(
    source,
    files.map(({ bytes }) => bytes),
  );
  await adorn(source, 'older');
  original = join(source.running.storageFolder, '..', 'archive');
  expect((await runCommand(['run', source.url, '--archive', original])).exitCode).toBe(0);
  await adorn(source, 'newer');
  expect((await runCommand(['run', source.url, '--archive', original])).exitCode).toBe(0);
  was = await adornments(source, true);
});
afterAll(() => source?.stop());

async function copyOfArchive(): Promise<string> {
  const path = join(await folderForTest(), 'archive');
  await cp(original, path, { recursive: true, preserveTimestamps: true });
  return path;
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name))
    .toSorted();
}

/** The states of the sidecar of the n-th study, the older first. */
async function statesOf(archive: string, n: number): Promise<readonly [id: string, older: string, newer: string]> {
  const id = (await idsOf(source, 'studies'))[n] ?? '';
  const states = await filesBelow(join(archive, 'studies', id));
  expect(states).toHaveLength(2);
  return [id, states[0] ?? '', states[1] ?? ''];
}

/** The attachments that the source still has. */
async function newerAttachments(archive: string): Promise<readonly string[]> {
  const newer: string[] = [];
  for (const path of await filesBelow(join(archive, 'attachments'))) {
    if ((await readFile(path, 'utf8')).includes('newer')) newer.push(path);
  }
  return newer;
}

function keyOf(archive: string, path: string): string {
  return path.slice(archive.length + 1);
}

const damages: readonly (readonly [what: string, damage: (path: string) => Promise<void>])[] = [
  ['cut', (path) => truncate(path, 300)],
  [
    'changed by one letter',
    async (path) => writeFile(path, (await readFile(path, 'utf8')).replace('newer of', 'never of')),
  ],
];

describe.each(damages)('the newest sidecar of a study is %s', (_, damage) => {
  test('run, find, ls, diff and restore tell of it in one line, use the one before, and go on with all others', async () => {
    const archive = await copyOfArchive();
    const [damaged, , newer] = await statesOf(archive, 1);
    const [sound] = await statesOf(archive, 0);
    await damage(newer);
    const told = ({ stderr, stdout }: CommandResult) =>
      `${stdout}${stderr}`
        .split('\n')
        .filter((line) => line.includes(`studies/${damaged}/`) && line.includes('sidecar-damaged'));

    for (const command of ['find', 'ls']) {
      const found = await runCommand([command, '--archive', archive]);
      expect(found.exitCode).toBe(4);
      expect(told(found)).toHaveLength(1);
      expect(found.stdout.match(/^[0-9a-f]{8}-/gm)).toHaveLength(studies);
    }
    expect((await runCommand(['ls', damaged, '--archive', archive])).stdout.match(/^[0-9a-f]{8}-/gm)).toHaveLength(
      instancesOfStudy,
    );
    expect((await runCommand(['diff', '2020-01-01', '2999-01-01', '--archive', archive])).exitCode).toBe(0);
    expect((await runCommand(['snapshots', '--archive', archive])).exitCode).toBe(0);

    const part = await serverUnderTest(newOrthanc().version);
    const ofSound = await runCommand(['restore', '--archive', archive, '--to', part.url, '--study', sound]);
    expect(ofSound.exitCode).toBe(0);
    expect(told(ofSound)).toHaveLength(1);
    expect(await text(part.url, `/studies/${sound}/metadata/1030`)).toBe(`newer of ${sound}, é`);
    const ofAll = await runCommand(['restore', '--archive', archive, '--to', part.url, '--verify']);
    expect(ofAll.exitCode).toBe(3);
    expect(told(ofAll)).toHaveLength(1);
    expect(await idsOf(part, 'instances')).toHaveLength(studies * instancesOfStudy);
    expect(await text(part.url, `/studies/${damaged}/metadata/1030`)).toBe(`older of ${damaged}, é`);

    await put(source.url, `/studies/${sound}/labels/meanwhile`);
    const ran = await runCommand(['run', source.url, '--archive', archive, '--json']);
    await fetch(`${source.url}/studies/${sound}/labels/meanwhile`, { method: 'DELETE' });
    expect(ran.exitCode).toBe(0);
    expect(told(ran)).toHaveLength(1);
    expect(JSON.parse(ran.stdout)).toMatchObject({ sidecars: { copied: 2, failed: 0 } });
    expect((await runCommand(['find', '--archive', archive])).exitCode).toBe(0);
  });
});

test('with no sidecar of a study that can be read, the study is still restored, and exit code 3 tells', async () => {
  const archive = await copyOfArchive();
  const [damaged, older, newer] = await statesOf(archive, 1);
  for (const state of [older, newer]) await truncate(state, 100);
  const target = await serverUnderTest(newOrthanc().version);
  const done = await runCommand(['restore', '--archive', archive, '--to', target.url, '--study', damaged]);
  expect(done.exitCode).toBe(3);
  expect(done.stdout).toContain(`sidecar-failed  ${damaged}`);
  expect(await idsOf(target, 'instances')).toHaveLength(instancesOfStudy);
});

describe('verify', () => {
  /** Damages and loses something of every kind. @returns the id and the name of each line that tells of it. */
  async function damageAll(archive: string): Promise<readonly string[]> {
    const found: string[] = [];
    const [id, older, newer] = await statesOf(archive, 1);
    await writeFile(newer, (await readFile(newer, 'utf8')).replace('newer of', 'never of'));
    await truncate(older, 200);
    const [patient] = await idsOf(source, 'patients');
    const [, ofPatient = ''] = await filesBelow(join(archive, 'patients', patient ?? ''));
    await writeFile(ofPatient, 'no JSON');
    found.push(
      `${id}  ${keyOf(archive, newer)}`,
      `${id}  ${keyOf(archive, older)}`,
      `${patient}  ${keyOf(archive, ofPatient)}`,
    );
    const [first = '', second = '', third = ''] = await newerAttachments(archive);
    await writeFile(first, 'other bytes');
    await truncate(second, 3);
    await rm(third);
    for (const path of [first, second, third]) found.push(`${path.split('/').at(-3)}  ${keyOf(archive, path)}`);
    for (const lost of (await idsOf(source, 'instances')).filter((_, n) => n % 5 === 0)) {
      const [version = ''] = await readdir(join(archive, 'instances', lost));
      await rm(join(archive, 'instances', lost), { recursive: true });
      found.push(`${lost}  instances/${lost}/${version}`);
    }
    return found.toSorted();
  }

  const namesIn = ({ stdout }: CommandResult): readonly string[] =>
    stdout
      .split('\n')
      .flatMap((line) => /^! (\S+ {2}\S+) /.exec(line)?.[1] ?? [])
      .toSorted();

  test('is clean on a sound archive, and counts every kind', async () => {
    const archive = await copyOfArchive();
    const sound = await runCommand(['verify', '--archive', archive]);
    expect(sound.exitCode).toBe(0);
    expect(sound.stdout).toMatch(/^instances: sound 21, damaged 0, lost 0, repaired 0, vanished 0, not verified 0 /m);
    expect(sound.stdout).toMatch(/^sidecars: sound 12, damaged 0, /m);
    expect(sound.stdout).toMatch(/^attachments: sound 60, damaged 0, lost 0, /m);
  });

  test('names each damaged or lost sidecar, attachment and instance and nothing else, in one piece and in parts', async () => {
    const archive = await copyOfArchive();
    const damaged = await damageAll(archive);
    const found = await runCommand(['verify', '--archive', archive]);
    expect(found.exitCode).toBe(4);
    expect(namesIn(found)).toEqual(damaged);
    expect(found.stdout).toMatch(/^instances: sound 16, damaged 0, lost 5, /m);
    expect(found.stdout).toMatch(/^sidecars: sound 9, damaged 3, /m);
    expect(found.stdout).toMatch(/^attachments: sound 57, damaged 2, lost 1, /m);
    const inParts: string[] = [];
    for (const n of [1, 2, 3, 4]) {
      inParts.push(...namesIn(await runCommand(['verify', '--archive', archive, '--subset', `${n}/4`])));
    }
    expect(inParts.toSorted()).toEqual(damaged);
  });

  test('--repair puts everything right from the source; then the archive is clean and restores what the source has', async () => {
    const archive = await copyOfArchive();
    const damaged = await damageAll(archive);
    const without = await runCommand(['verify', '--archive', archive, '--repair']);
    expect(without.exitCode).toBe(4);
    expect(without.stdout).toContain('none is named; name it by --source');

    const repaired = await runCommand(['verify', '--archive', archive, '--repair', '--source', source.url]);
    expect(repaired.exitCode).toBe(0);
    expect(namesIn(repaired)).toEqual(damaged);
    const again = await runCommand(['verify', '--archive', archive]);
    expect(again).toMatchObject({ exitCode: 0 });
    expect(namesIn(again)).toEqual([]);
    // Three sidecars and two attachments were there, and are kept.
    expect(await filesBelow(join(archive, 'superseded'))).toHaveLength(5);

    const target = await serverUnderTest(newOrthanc().version);
    expect((await runCommand(['restore', '--archive', archive, '--to', target.url, '--verify'])).exitCode).toBe(0);
    expect(await adornments(target, true)).toEqual(was);
    expect(await json(target.url, '/statistics')).toMatchObject({ CountInstances: studies * instancesOfStudy });
  });

  test('takes lost instances and attachments from a target as well', async () => {
    const archive = await copyOfArchive();
    const target = await serverUnderTest(newOrthanc().version);
    expect((await runCommand(['restore', '--archive', archive, '--to', target.url])).exitCode).toBe(0);
    const lost = (await idsOf(source, 'instances'))[4] ?? '';
    await rm(join(archive, 'instances', lost), { recursive: true });
    const [attachment = ''] = await newerAttachments(archive);
    await rm(attachment);
    const repaired = await runCommand(['verify', '--archive', archive, '--target', target.url, '--repair']);
    expect(repaired).toMatchObject({ exitCode: 0 });
    expect(repaired.stdout).toMatch(/^instances: .* lost 1, repaired 1, /m);
    expect(repaired.stdout).toMatch(/^attachments: .* lost 1, repaired 1, /m);
  });
});

test('a restore names the instances that the archive has lost, with exit code 3', async () => {
  const archive = await copyOfArchive();
  const lost = (await idsOf(source, 'instances')).slice(0, 5);
  for (const id of lost) await rm(join(archive, 'instances', id), { recursive: true });
  const target = await serverUnderTest(newOrthanc().version);
  const done = await runCommand(['restore', '--archive', archive, '--to', target.url]);
  expect(done.exitCode).toBe(3);
  expect(
    done.stdout
      .match(/^lost {2}\S+/gm)
      ?.map((line) => line.slice(6))
      .toSorted(),
  ).toEqual(lost);
  const toFolder = await runCommand(['restore', '--archive', archive, '--to', await folderForTest()]);
  expect(toFolder.exitCode).toBe(3);
  expect(toFolder.stdout).toContain('lost 5');
});

test('an instance that a sidecar names before the archive has it is pending, not lost, until it was there', async () => {
  const archive = join(await folderForTest(), 'archive');
  const from = await serverUnderTest(newOrthanc().version);
  const files = [0, 1].map((instance) =>
    generateInstance({ seed: 'pending', patient: 0, study: 0, series: 0, instance }, 2200),
  );
  const [first, second] = files;
  await uploadAccepted(from, [first?.bytes ?? new Uint8Array()]);
  expect((await runCommand(['run', from.url, '--archive', archive])).exitCode).toBe(0);
  await uploadAccepted(from, [second?.bytes ?? new Uint8Array()]);
  await put(from.url, `/instances/${second?.id}/metadata/1030`, 'a note');
  // The source cannot deliver it now: its sidecar comes, its bytes do not.
  const storage = await filesBelow(from.running.storageFolder);
  for (const path of storage) {
    if (/[0-9a-f-]{36}$/.test(path) && (await readFile(path)).includes(Buffer.from(second?.bytes ?? [])))
      await rm(path);
  }
  await from.running.restart();
  expect((await runCommand(['run', from.url, '--archive', archive])).exitCode).toBe(3);
  const sidecars = await filesBelow(join(archive, 'studies'));
  expect(await readFile(sidecars.at(-1) ?? '', 'utf8')).toContain(second?.id);
  expect(await runCommand(['verify', '--archive', archive])).toMatchObject({ exitCode: 0 });

  await fetch(`${from.url}/instances/${second?.id}`, { method: 'DELETE' });
  await uploadAccepted(from, [second?.bytes ?? new Uint8Array()]);
  expect((await runCommand(['run', from.url, '--archive', archive])).exitCode).toBe(0);
  expect(await runCommand(['verify', '--archive', archive])).toMatchObject({ exitCode: 0 });
  await rm(join(archive, 'instances', second?.id ?? ''), { recursive: true });
  const lost = await runCommand(['verify', '--archive', archive]);
  expect(lost).toMatchObject({ exitCode: 4, stdout: expect.stringContaining(`! ${second?.id}`) });
});

test('a sidecar that is dated in the future is reported, and loses against what the source says', async () => {
  const archive = await copyOfArchive();
  const [id, older] = await statesOf(archive, 0);
  const future = older.replace(/[^/]+-([0-9a-f]{8})\.json$/, '29990101T000000.000Z-$1.json');
  await cp(older, future);
  for (const args of [
    ['find', '--archive', archive],
    ['verify', '--archive', archive],
    ['restore', '--archive', archive, '--to', await folderForTest()],
    ['run', source.url, '--archive', archive],
  ]) {
    const told = await runCommand(args);
    expect(told.exitCode, args[0]).toBe(0);
    const lines = `${told.stdout}${told.stderr}`.split('\n').filter((line) => line.includes(keyOf(archive, future)));
    expect(lines, args[0]).toEqual([expect.stringContaining('a time in the future')]);
  }
  const target = await serverUnderTest(newOrthanc().version);
  expect((await runCommand(['restore', '--archive', archive, '--to', target.url])).exitCode).toBe(0);
  expect(await text(target.url, `/studies/${id}/metadata/1030`)).toBe(`newer of ${id}, é`);
});
