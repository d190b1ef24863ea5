/** What the commands say of an instance of which the archive cannot tell what it had at a moment. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { UnreadableHistories } from '../../cli/unreadable-histories.ts';
import { MirrorError } from '../../core/errors.ts';
import { addInstance, instanceId, type WatchedArchive, watchedArchive } from '../support/archived-studies.ts';
import { runInProcess } from '../support/in-process-command.ts';

const [sound, damaged, single] = [instanceId(0), instanceId(1), instanceId(2)];
let archive: WatchedArchive;
let record: string;

/** Two instances with two versions and one with one; the first record of one of them is damaged. */
beforeEach(async () => {
  archive = await watchedArchive();
  for (const [day, text] of [
    ['2026-03-01', 'before'],
    ['2026-03-02', 'after'],
  ]) {
    for (const n of [0, 1]) await addInstance(archive, n, `${text} ${n}`, `${day}T10:00:00Z`);
  }
  await addInstance(archive, 2, 'single', '2026-03-01T10:00:00Z');
  const [first = ''] = await readdir(join(archive.path, 'history', damaged));
  record = `history/${damaged}/${first}`;
  await writeFile(join(archive.path, record), '{"at":"yesterday"}\n');
});

const run = (command: string, ...more: string[]) => runInProcess(command, ...more, '--archive', archive.path);
const idsIn = async (folder: string) =>
  (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.dcm'));

test('a restore for a moment leaves it out, names it with the reason and the next step, and ends with 3', async () => {
  const to = join(archive.path, '../past');
  const { exitCode, stdout } = await run('restore', '--to', to, '--at', '2026-03-01T12:00');
  expect(exitCode).toBe(3);
  expect(stdout).toMatch(
    new RegExp(
      `^history {2}${damaged} .*${record} is damaged, .*put back an earlier version.*\\(history-damaged\\)$`,
      'm',
    ),
  );
  expect(stdout.match(/history-damaged/g)).toHaveLength(1);
  expect(stdout).toContain('1 left out because the archive cannot tell what it had of them at that time');
  expect(await idsIn(to)).toHaveLength(2);
  const again = await run('restore', '--to', to, '--at', '2026-03-01T12:00', '--json', '--verify');
  const summary = JSON.parse(again.stdout.trim().split('\n').at(-1) ?? '');
  expect(summary).toMatchObject({ unreadableHistories: 1, alreadyEqual: 2, exitCode: 3 });
});

test('a restore of now does not need it', async () => {
  const to = join(archive.path, '../now');
  const { exitCode, stdout } = await run('restore', '--to', to);
  expect({ exitCode, problems: stdout.includes('history-damaged') }).toEqual({ exitCode: 0, problems: false });
  expect(await idsIn(to)).toHaveLength(3);
});

test.each([
  ['snapshots', []],
  ['diff', ['2026-03-01T12:00', '2026-03-02T12:00']],
  ['find', ['--deep', '--at', '2026-03-01T12:00']],
])('%s tells of it once, goes on with the others, and ends with 4', async (command, more) => {
  const { exitCode, stdout, stderr } = await run(command, ...more);
  expect(exitCode).toBe(4);
  expect(stderr.match(new RegExp(`instance ${damaged} is left out`, 'g'))).toHaveLength(1);
  if (command === 'diff') expect(stdout).toContain(`* instance  ${sound}`);
});

test('verify reads every record, tells which is damaged, and does not repair what only the archive knew', async () => {
  for (const more of [[], ['--repair']]) {
    const { exitCode, stdout } = await run('verify', ...more);
    expect(exitCode).toBe(4);
    expect(stdout).toMatch(new RegExp(`^! ${damaged} {2}${record} .*damaged: .*expected form at at;`, 'm'));
    if (more.length > 0) expect(stdout).toContain('not repaired: only the archive knew when it was');
    expect(stdout).toContain('records of history: sound 3, damaged 1, lost 0, repaired 0, vanished 0, not verified 0');
  }
  const summary = JSON.parse((await run('verify', '--json')).stdout.trim().split('\n').at(-1) ?? '');
  expect(summary.records).toMatchObject({ sound: 3, damaged: 1 });
});

test('what another try may read counts as failed, each id once', () => {
  const told: string[] = [];
  const histories = new UnreadableHistories((id) => told.push(id));
  for (const [n, code] of [
    [0, 'history-damaged'],
    [1, 'server-error'],
    [1, 'server-error'],
    [2, 'forbidden'],
  ] as const) {
    histories.note(instanceId(n), new MirrorError(code, 'a reason'));
  }
  expect(told).toEqual([sound, damaged, single]);
  expect(histories.outcome).toEqual({ rejected: 1, failed: 2 });
});
