import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { generateInstance, generateInstances } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { folderPlace, orthancPlace, prove } from '../../local/prove.ts';
import { runCommand, startCommand } from '../support/command.ts';
import { randomOf } from '../support/seeded-random.ts';
import { folderForTest, instanceIds, parseJsonLines, serverForTest, storeAll } from './support/scene.ts';

const random = randomOf('kills of a run');
const nothing = { copied: 0, alreadyEqual: 0, vanished: 0, conflicting: 0, rejected: 0, failed: 0 };

test('mirrors to a server and a new archive; running again copies nothing; then only what is new', async () => {
  const [source, target, folder] = await Promise.all([serverForTest(), serverForTest(), folderForTest()]);
  const archive = join(folder, 'archive');
  await storeAll(source, generateInstances('run', 40, 20 * 1024));
  await storeAll(source, [generateInstance(placeOfNth('run large', 0), 9 * 1024 ** 2)]);

  const first = await runCommand(['run', source.url, target.url, '--archive', archive]);
  expect(first.exitCode).toBe(0);
  expect(first.stdout).toContain('copied 41, already equal 0, vanished 0, conflicting 0, rejected 0, failed 0');
  const places = [
    orthancPlace('source', source.url),
    orthancPlace('target', target.url),
    folderPlace('archive', archive),
  ];
  expect(await prove(places)).toMatchObject({ equal: true, differences: [] });

  const second = await runCommand(['run', source.url, target.url, '--archive', archive, '--json']);
  expect(parseJsonLines(second.stdout)).toMatchObject({
    problems: [],
    summary: { ...nothing, alreadyEqual: 41, bytesCopied: 0, exitCode: 0 },
  });

  await storeAll(source, [generateInstance(placeOfNth('run later', 0), 4096)]);
  const third = await runCommand(['run', source.url, target.url, '--archive', archive, '--json']);
  expect(parseJsonLines(third.stdout).summary).toMatchObject({ copied: 1, alreadyEqual: 41, bytesCopied: 4096 });
  expect(await prove(places)).toMatchObject({ equal: true });
});

test('a dry run tells what would be copied and changes nothing', async () => {
  const [source, target, folder] = await Promise.all([serverForTest(), serverForTest(), folderForTest()]);
  const archive = join(folder, 'archive');
  await storeAll(source, generateInstances('dry', 3, 4096));
  const { exitCode, stdout } = await runCommand(['run', source.url, target.url, '--archive', archive, '--dry-run']);
  expect(exitCode).toBe(0);
  // The server is one that lists no sizes.
  expect(stdout).toMatch(/^would copy 3,.*\(0 B, and 3 of unknown size\)$/m);
  expect(await instanceIds(target)).toEqual([]);
  await expect(access(archive)).rejects.toThrow('ENOENT');
});

test('an instance that the target holds with other bytes is listed and left alone: exit 3; the archive gets it', async () => {
  const [source, target, folder] = await Promise.all([serverForTest(), serverForTest(), folderForTest()]);
  const place = placeOfNth('conflict', 0);
  const [here, there] = [generateInstance(place, 4096), generateInstance(place, 8192)];
  await storeAll(source, [here]);
  await storeAll(target, [there]);
  const args = ['run', source.url, target.url, '--archive', join(folder, 'archive')];
  const { exitCode, stdout } = await runCommand([...args, '--json']);
  expect(exitCode).toBe(3);
  expect(parseJsonLines(stdout)).toMatchObject({
    problems: [{ id: here.id, outcome: 'conflict', code: 'conflict' }],
    summary: { ...nothing, conflicting: 1, destinations: [{ conflicting: 1 }, { copied: 1 }] },
  });
  const text = await runCommand(args);
  expect(text.stdout).toMatch(new RegExp(`^conflict  ${here.id}  `));
});

test('a target that is down: the archive is filled all the same, exit 7 says that the target was not', async () => {
  const [source, target, folder] = await Promise.all([serverForTest(), serverForTest(), folderForTest()]);
  const archive = join(folder, 'archive');
  await storeAll(source, generateInstances('down', 5, 4096));
  await target.kill();
  const { exitCode, stdout } = await runCommand(['run', source.url, target.url, '--archive', archive]);
  expect(exitCode).toBe(7);
  expect(stdout).toContain('was left out');
  const proof = await prove([orthancPlace('source', source.url), folderPlace('archive', archive)]);
  expect(proof.equal).toBe(true);
});

test('a source that is down, or wants a password, ends the run with exit 7 and a reason', async () => {
  const config = { AuthenticationEnabled: true, RegisteredUsers: { mirror: 'correct horse' } };
  const [locked, target] = await Promise.all([serverForTest({ config }), serverForTest()]);
  const refused = await runCommand(['run', locked.url, target.url]);
  expect(refused.exitCode).toBe(7);
  expect(refused.stderr).toMatch(/401|password|credentials/);
  await locked.kill();
  const down = await runCommand(['run', locked.url, target.url]);
  expect(down.exitCode).toBe(7);
  expect(down.stderr).toMatch(/orthanc-mirror: .*127\.0\.0\.1/);
});

test('credentials come from a file, the environment or the URL, and are never shown', async () => {
  const password = 'correct horse';
  const config = { AuthenticationEnabled: true, RegisteredUsers: { mirror: password } };
  const [locked, target, folder] = await Promise.all([serverForTest({ config }), serverForTest(), folderForTest()]);
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, `${password}\n`);
  const withUser = ['run', locked.url, target.url, '--source-user', 'mirror'];
  const inUrl = locked.url.replace('//', `//mirror:${encodeURIComponent(password)}@`);
  const results = [
    await runCommand([...withUser, '--source-password-file', passwordFile]),
    await runCommand(withUser, { ORTHANC_MIRROR_SOURCE_PASSWORD: password }),
    await runCommand(['run', inUrl, target.url]),
  ];
  expect(results.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
  expect(results.map(({ stderr }) => stderr.includes('warning: The address of'))).toEqual([false, false, true]);
  for (const { stdout, stderr } of results) expect(`${stdout}${stderr}`).not.toMatch(/correct( |%20)horse/);
});

test('a mirror of a configuration file is run by its name', async () => {
  const [source, target, folder] = await Promise.all([serverForTest(), serverForTest(), folderForTest()]);
  await storeAll(source, generateInstances('configured', 3, 4096));
  const configFile = join(folder, 'mirror.jsonc');
  const main = {
    source: { url: source.url },
    targets: { standby: { url: target.url } },
    archive: { folder: join(folder, 'archive') },
  };
  await writeFile(configFile, `// a comment\n${JSON.stringify({ mirrors: { main } })}`);
  const { exitCode, stdout } = await runCommand(['run', 'main', '--config', configFile, '--json']);
  expect(exitCode).toBe(0);
  expect(parseJsonLines(stdout).summary).toMatchObject({ copied: 3, destinations: [{ name: 'standby' }, {}] });
  expect(await instanceIds(target)).toHaveLength(3);
});

test.each([
  ['no destination', ['run', 'http://127.0.0.1:1'], 'there is only a source'],
  ['a mirror without a configuration', ['run', 'main'], '--config'],
  ['an unknown option', ['run', 'http://127.0.0.1:1', '--frobnicate'], 'frobnicate'],
  ['a concurrency of nothing', ['run', 'http://127.0.0.1:1', 'http://127.0.0.1:2', '--concurrency', '0'], 'at least 1'],
  ['--once and --watch', ['run', 'http://127.0.0.1:1', 'http://127.0.0.1:2', '--once', '--watch'], 'watch'],
  ['an endpoint without an archive', ['run', 'http://127.0.0.1:1', 'http://h', '--endpoint', 'http://e'], '--archive'],
])('%s is refused with exit code 2', async (_, args, message) => {
  const { exitCode, stdout, stderr } = await runCommand(args);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toContain(message);
});

test('--watch brings what is added later, and ends on the first signal with exit 130', async () => {
  const [source, target] = await Promise.all([serverForTest(), serverForTest()]);
  const command = startCommand(['run', source.url, target.url, '--watch']);
  const later = generateInstance(placeOfNth('watched', 0), 4096);
  await storeAll(source, [later]);
  await expect.poll(() => instanceIds(target), { timeout: 30_000, interval: 200 }).toEqual([later.id]);
  command.process.kill('SIGTERM');
  expect(await command.result).toMatchObject({ exitCode: 130, stdout: expect.stringContaining('copied 1,') });
});

test('an interrupted run finishes what is under way, and the next run does the rest', async () => {
  const [source, target, folder] = await Promise.all([serverForTest(), serverForTest(), folderForTest()]);
  const archive = join(folder, 'archive');
  await storeAll(source, generateInstances('interrupted', 150, 256 * 1024));
  const args = ['run', source.url, target.url, '--archive', archive];
  const interrupted = startCommand([...args, '--concurrency', '2']);
  await expect
    .poll(async () => (await instanceIds(target)).length, { timeout: 30_000, interval: 20 })
    .toBeGreaterThan(5);
  interrupted.process.kill('SIGINT');
  const { exitCode, stdout } = await interrupted.result;
  expect(exitCode).toBe(130);
  expect(stdout).toContain('interrupted');
  const half = await instanceIds(target);
  expect(half.length).toBeLessThan(150);

  const { stdout: rest } = await runCommand([...args, '--json']);
  expect(parseJsonLines(rest).summary).toMatchObject({ copied: 150 - half.length, alreadyEqual: half.length });
});

test('killed at 30 random moments, it never leaves half an object, and the last run completes everything', async () => {
  const [source, target, folder] = await Promise.all([serverForTest(), serverForTest(), folderForTest()]);
  const archive = join(folder, 'archive');
  await storeAll(source, generateInstances('killed', 300, 32 * 1024));
  const args = ['run', source.url, target.url, '--archive', archive];
  for (let kill = 0; kill < 30; kill += 1) {
    const command = startCommand([...args, '--concurrency', '2']);
    // Starting takes about 300 ms; a kill before the first copy would test nothing.
    await Promise.race([once(command.process, 'exit'), delay(250 + random.below(300))]);
    command.process.kill('SIGKILL');
    await command.result;
    if (existsSync(join(archive, 'instances')))
      expect((await prove([folderPlace('archive', archive)])).places[0]?.misnamed).toBe(0);
  }
  expect((await runCommand(args)).exitCode).toBe(0);
  const proof = await prove([
    orthancPlace('source', source.url),
    orthancPlace('target', target.url),
    folderPlace('archive', archive),
  ]);
  expect(proof.equal).toBe(true);
  expect(proof.places[0]?.instances).toBe(300);
});
