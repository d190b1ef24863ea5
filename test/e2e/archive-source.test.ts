/** An archive belongs to one source, as a user meets it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generateInstances } from '../../local/dicom/generate.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { runCommand } from '../support/command.ts';
import { folderForTest, serverForTest, storeAll } from './support/scene.ts';

const ofFirst = [...generateInstances('first source', 200, 2048)];
const ofSecond = [...generateInstances('second source', 2, 2048)];

const versions = [oldOrthanc(), newOrthanc()].map(({ version }) => version);

test.each(versions)('%s: another server is refused, until it is said to be the successor', async (version) => {
  const [first, second, folder] = await Promise.all([
    serverForTest({ version }),
    serverForTest({ version }),
    folderForTest(),
  ]);
  await Promise.all([storeAll(first, ofFirst), storeAll(second, ofSecond)]);
  const archive = join(folder, 'archive');
  const run = (server: { readonly url: string }, ...more: readonly string[]) =>
    runCommand(['run', server.url, '--archive', archive, ...more]);
  expect(await run(first)).toMatchObject({ exitCode: 0 });
  const before = await readFile(join(archive, 'archive.json'), 'utf8');

  // Two instances of 202: few enough for the guard of deletions to believe that they are gone.
  for (const more of [[], ['--dry-run'], []]) {
    const refused = await run(second, ...more);
    expect(refused).toMatchObject({ exitCode: 2 });
    expect(refused.stdout).toMatch(/stopped: .* belongs to another source .*--succeed.*\(other-source\)/);
    expect(refused.stdout).toMatch(/cop(?:ied|y) 0, already equal 0/);
  }
  expect(await readFile(join(archive, 'archive.json'), 'utf8')).toBe(before);
  expect(await run(first)).toMatchObject({ exitCode: 0 });

  expect(await run(second, '--succeed')).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('copied 2') });
  expect(await run(second)).toMatchObject({ exitCode: 0 });
  const after: unknown = JSON.parse(await readFile(join(archive, 'archive.json'), 'utf8'));
  expect(after).toMatchObject({ source: { name: second.url }, predecessors: [{ name: first.url }] });
  expect(await run(first)).toMatchObject({ exitCode: 2 });
});

test('a server that was restarted with another identity is still the source, by its database', async () => {
  const { version } = newOrthanc();
  const folder = await folderForTest();
  const archive = join(folder, 'archive');
  for (const DatabaseServerIdentifier of ['one', 'other']) {
    const config = { DatabaseServerIdentifier };
    await using server = await serverForTest({ version, folder: join(folder, 'server'), config });
    if (DatabaseServerIdentifier === 'one') await storeAll(server, ofSecond);
    expect(await runCommand(['run', server.url, '--archive', archive])).toMatchObject({ exitCode: 0 });
  }
});
