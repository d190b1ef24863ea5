/** What a restore gives is what the source holds, however it came to hold it, whatever the times of the archive say. */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';
import { recordBytes } from '../../core/stores/archive/history-record.ts';
import { historyKey } from '../../core/stores/archive/keys.ts';
import { type GeneratedInstance, generateInstance } from '../../local/dicom/generate.ts';
import { type Place, placeOfNth } from '../../local/dicom/identifiers.ts';
import { runCommand } from '../support/command.ts';
import { remove, upload } from '../support/orthanc/upload.ts';
import { folderForTest, serverForTest } from './support/scene.ts';

/** Versions of the n-th instance: equal identifiers, other bytes. */
const [first, second] = [4096, 8192].map((sizeBytes) => (n: number) => generateInstance(placeOf(n), sizeBytes)) as [
  (n: number) => GeneratedInstance,
  (n: number) => GeneratedInstance,
];

function placeOf(n: number): Place {
  return placeOfNth('present', n);
}

async function setStage() {
  const [server, folder] = await Promise.all([serverForTest(), folderForTest()]);
  const archive = join(folder, 'archive');
  /** The source holds this and nothing else of the id. */
  const hold = async (...instances: readonly GeneratedInstance[]) => {
    await remove(
      server.url,
      instances.map(({ id }) => id),
    ).catch(() => undefined);
    await upload(server.url, instances);
  };
  const run = async () => {
    const result = await runCommand(['run', server.url, '--archive', archive]);
    expect(result).toMatchObject({ exitCode: 0 });
    return result;
  };
  return { server, folder, archive, hold, run };
}

/** The hashes of what a restore gives, sorted. */
async function restored(archive: string): Promise<readonly string[]> {
  const to = await folderForTest();
  expect(await runCommand(['restore', '--archive', archive, '--to', to])).toMatchObject({ exitCode: 0 });
  const names = (await readdir(to, { recursive: true })).filter((name) => name.endsWith('.dcm'));
  const hashes = await Promise.all(names.map(async (name) => md5Of(await readFile(join(to, name)))));
  return hashes.toSorted();
}

const hashesOf = (instances: readonly GeneratedInstance[]) => instances.map(({ md5 }) => md5).toSorted();

/** Gives all objects of an instance the same time, as a listing of whole seconds does to what comes within one. */
async function sameTime(archive: string, { id }: GeneratedInstance, at: Date): Promise<void> {
  const folder = join(archive, 'instances', id);
  for (const name of await readdir(folder)) await utimes(join(folder, name), at, at);
}

test('content that was changed back', async () => {
  const { archive, hold, run } = await setStage();
  for (const instance of [first(0), second(0), first(0)]) {
    await hold(instance);
    await run();
  }
  expect(await restored(archive)).toEqual([first(0).md5]);
});

test('the corrected version, after an old copy was imported', async () => {
  const { archive, hold, run, folder } = await setStage();
  await hold(second(0));
  await run();
  const disc = join(folder, 'disc');
  await mkdir(disc);
  await writeFile(join(disc, 'old.dcm'), first(0).bytes);
  const imported = await runCommand(['import', disc, '--archive', archive, '--report', join(folder, 'report.jsonl')]);
  expect(imported).toMatchObject({ exitCode: 0 });
  expect(await restored(archive)).toEqual([second(0).md5]);
  expect(imported.stdout).toContain('kept beside, not current: 1');
  expect(await readFile(join(folder, 'report.jsonl'), 'utf8')).toContain('"isKeptBeside":true');
});

test('the later of two versions that came within one second', async () => {
  const { archive, hold, run } = await setStage();
  const pairs = [0, 1, 2, 3].map((n) => [first(n), second(n)] as const);
  await hold(...pairs.map(([before]) => before));
  await run();
  await hold(...pairs.map(([, after]) => after));
  await run();
  for (const [before] of pairs) await sameTime(archive, before, new Date('2026-11-21T10:00:00Z'));
  expect(await restored(archive)).toEqual(hashesOf(pairs.map(([, after]) => after)));
});

test('the corrected version, although the clock was ahead when the first one came', async () => {
  const { archive, hold, run } = await setStage();
  await hold(first(0));
  await run();
  await sameTime(archive, first(0), new Date('2999-01-01'));
  await hold(second(0));
  await run();
  expect(await restored(archive)).toEqual([second(0).md5]);
});

test('the same, from a copy of the archive that kept no times', async () => {
  const { archive, hold, run, folder } = await setStage();
  const numbers = Array.from({ length: 10 }, (_, n) => n);
  await hold(...numbers.map(first));
  await run();
  await hold(...numbers.map(second));
  await run();
  const copy = join(folder, 'copy');
  await promisify(execFile)('cp', ['-r', archive, copy]);
  expect(await restored(copy)).toEqual(hashesOf(numbers.map(second)));
});

test('an instance that the source removed and got again, and one that it has not', async () => {
  const { server, archive, hold, run } = await setStage();
  await hold(first(0), first(1), first(2));
  await run();
  await remove(server.url, [first(0).id, first(1).id]);
  const grace = ['--deletion-grace-hours', '0', '--max-deletion-percent', '100'];
  for (let comparison = 1; comparison <= 2; comparison += 1) {
    expect(await runCommand(['run', server.url, '--archive', archive, ...grace])).toMatchObject({ exitCode: 0 });
  }
  expect(await restored(archive)).toEqual([first(2).md5]);
  await hold(first(0));
  expect((await run()).stdout).toContain('copied 1');
  expect(await restored(archive)).toEqual(hashesOf([first(0), first(2)]));
});

test('what the source holds, in spite of a removal and a sidecar of the year 2999, of which every command tells', async () => {
  const { server, archive, hold, run } = await setStage();
  await hold(first(0));
  await run();
  const at = '29990101T000000.000Z';
  const then = new Date('2999-01-01');
  const record = { id: first(0).id, number: 1, what: 'removed' } as const;
  for (const [key, bytes] of [
    [historyKey(record), recordBytes({ ...record, at: then }, { writer: 'run', origin: 'source' })],
    // As it was before there were histories: nobody reads it.
    [`removals/${first(0).id}/${at}.json`, '{}\n'],
  ] as const) {
    const path = join(archive, key);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
    await utimes(path, then, then);
  }
  const [study = ''] = await readdir(join(archive, 'studies'));
  const [sidecar = ''] = await readdir(join(archive, 'studies', study));
  const newest = join(archive, 'studies', study, `${at}-${sidecar.slice(-13)}`);
  await copyFile(join(archive, 'studies', study, sidecar), newest);

  expect((await run()).stderr).toMatch(/2 records or sidecars have times in the future/);
  expect(await restored(archive)).toEqual([first(0).md5]);
  for (const command of [
    ['run', server.url, '--archive', archive],
    ['check', server.url, '--archive', archive],
    ['verify', '--archive', archive],
    ['restore', '--archive', archive, '--to', await folderForTest()],
    ['find', '--archive', archive],
  ]) {
    const { exitCode, stderr } = await runCommand(command);
    expect(exitCode).toBe(0);
    expect(stderr).toContain(`studies/${study}/${at}-${sidecar.slice(-13)} has a time in the future`);
    if (command[0] !== 'find') expect(stderr).toContain(`${historyKey(record)} has a time`);
    expect(stderr).toMatch(/\d records or sidecars have times in the future/);
  }
});
