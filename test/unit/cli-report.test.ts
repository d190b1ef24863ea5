/** What a command tells beside its lines: the file of --report, the log, errors as JSON, failures that repeat. */
import { EventEmitter } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Result } from '../../cli/report/format.ts';
import { createTerminal } from '../../cli/terminal.ts';
import { generateInstances, writeFolder } from '../../local/dicom/generate.ts';
import { runInProcess } from '../support/in-process-command.ts';

let folder = '';
let archive = '';
/** The id of the instance whose bytes were damaged. */
let damaged = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-report-'));
  archive = join(folder, 'archive');
  const instances = [...generateInstances('reports', 3, 4096)];
  await writeFolder(join(folder, 'files'), instances);
  expect(await runInProcess('import', join(folder, 'files'), '--archive', archive)).toMatchObject({ exitCode: 0 });
  damaged = instances[0]?.id ?? '';
  const [name = ''] = await readdir(join(archive, 'instances', damaged));
  await writeFile(join(archive, 'instances', damaged, name), 'not these bytes');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function verifyWith(name: string): Promise<string> {
  const file = join(folder, name);
  const { exitCode } = await runInProcess('verify', '--archive', archive, '--report', file);
  expect(exitCode).toBe(4);
  expect((await stat(file)).mode & 0o077).toBe(0);
  return readFile(file, 'utf8');
}

test('lines of JSON tell what was done, every exception, the totals and the end', async () => {
  const lines = (await verifyWith('report.jsonl')).trimEnd().split('\n');
  const [begin, problem, summary, end] = lines.map((line) => JSON.parse(line));
  expect(begin).toMatchObject({ type: 'report', command: 'verify', given: { archive } });
  expect(problem).toMatchObject({ type: 'problem', id: damaged, kind: 'damaged', code: 'source-corrupt' });
  expect(summary).toMatchObject({ type: 'summary', instances: { sound: 2, damaged: 1 }, exitCode: 4 });
  expect(end).toMatchObject({ type: 'end', exitCode: 4 });
});

test('a table has a row for each exception', async () => {
  const rows = (await verifyWith('report.csv')).trimEnd().split('\r\n');
  expect(rows).toHaveLength(5);
  expect(rows[2]).toMatch(new RegExp(`^problem,damaged,${damaged},`));
  expect(rows[4]).toContain('exit code 4');
});

test('a page to be filed has the verdict, what was done, the totals and the exceptions, and nothing from elsewhere', async () => {
  const page = await verifyWith('report.html');
  expect(page).toContain('exit code 4, differences were found');
  expect(page).toContain(damaged);
  expect(page).toMatch(/instances sound<\/td><td>2/);
  expect(page).not.toMatch(/<script|src=|href=/);
});

test('a report names no patient, and no password', async () => {
  const file = join(folder, 'private.html');
  const url = 'http://user:hunter2@127.0.0.1:1';
  await runInProcess('restore', '--archive', archive, '--to', url, '--patient', 'DOE^JOHN', '--report', file);
  const page = await readFile(file, 'utf8');
  expect(page).not.toMatch(/DOE|hunter2/);
  expect(page).toContain('http://127.0.0.1:1');
});

test('a report that cannot be written is refused before anything is done', async () => {
  const report = join(folder, 'nowhere', 'report.html');
  const { exitCode, stderr } = await runInProcess('verify', '--archive', archive, '--report', report);
  expect({ exitCode, says: stderr.includes('--report') }).toEqual({ exitCode: 2, says: true });
});

test.each([
  ['wrong usage', ['verify', '--archive', 'x', '--frobnicate', '--json'], 'configuration', 2],
  ['a wrong place', ['ls', '--archive', '/nowhere', '--json'], 'archive-format', 2],
  ['a server that is not there', ['verify', '--target', 'http://127.0.0.1:1', '--json'], 'unreachable', 7],
])('%s is an error in JSON, too', async (_, args, code, exitCode) => {
  const { stdout, ...result } = await runInProcess(...args);
  expect(result.exitCode).toBe(exitCode);
  expect(JSON.parse(stdout)).toEqual({ type: 'error', code, reason: expect.any(String), exitCode });
});

test('a log file gets every line with its time, and --quiet keeps messages from the terminal only', async () => {
  const file = join(folder, 'log');
  const args = ['find', '--archive', archive, '--patient', 'NOSUCH', '--log-file', file];
  expect((await runInProcess(...args)).stderr).toContain('no study matches');
  expect((await runInProcess(...args, '--quiet')).stderr).toBe('');
  const log = await readFile(file, 'utf8');
  expect(log.match(/^\d{4}-\d\d-\d\dT[\d:.]+Z no study matches$/gm)).toHaveLength(2);
});

/** What a terminal prints of failures, and what a report gets of them. */
function told(results: readonly Result[], json: boolean) {
  let stdout = '';
  const reported: Result[] = [];
  const stream = Object.assign(new EventEmitter(), {
    write: (text: string) => {
      stdout += text;
    },
  });
  const terminal = createTerminal(stream, Object.assign(new EventEmitter(), { write: () => true }));
  terminal.begin({ json, onResult: (result) => reported.push(result) });
  for (const result of results) terminal.tell(result, `failed ${String(result.id)}`);
  terminal.end();
  return { lines: stdout.trimEnd().split('\n'), reported };
}

const failures = Array.from({ length: 420 }, (_, id) => ({
  type: 'problem',
  id,
  outcome: 'failed',
  code: id === 7 ? 'unreachable' : 'full',
  destination: 'standby',
}));

test('of failures for the same reason ten are told, the others counted; a report gets all', () => {
  const { lines, reported } = told(failures, false);
  expect(lines).toHaveLength(11 + 2);
  expect(lines.at(-2)).toBe('… failed at standby (full): 409 more, 419 in all');
  expect(reported).toHaveLength(420);
});

test('as JSON all are told', () => {
  expect(told(failures, true).lines).toHaveLength(420);
});

test('what verify and check find is told each time', () => {
  const differences = failures.map((one) => ({ ...one, outcome: undefined, kind: 'damaged' }));
  expect(told(differences, false).lines).toHaveLength(420);
});

test('how the last commands ended is kept beside the archive, and status shows it', async () => {
  const page = join(folder, 'status.html');
  await runInProcess('verify', '--archive', archive);
  const { exitCode, stdout } = await runInProcess('status', '--archive', archive, '--html', page);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/verify +\d+ s ago +differences were found \(exit code 4\)/);
  expect(stdout).toMatch(/import +\d+ s ago +all done and equal \(exit code 0\)/);
  expect(await readFile(page, 'utf8')).toContain('<p class="verdict act">Act</p>');
});
