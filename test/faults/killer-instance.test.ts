import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { generateInstance, generateInstances } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { generateNestedSequence } from '../../local/dicom/nested-sequence.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { folderPlace, orthancPlace, prove } from '../../local/prove.ts';
import { folderForTest, instanceIds, parseJsonLines, serverForTest, storeAll } from '../e2e/support/scene.ts';
import { runCommand } from '../support/command.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';

test('an instance that takes the target down each time is listed, exit 5; all others get through', async () => {
  const [source, target, folder] = await Promise.all([serverForTest(), serverForTest(), folderForTest()]);
  const archive = join(folder, 'archive');
  const killer = generateInstance(placeOfNth('killer', 0), 30_000);
  await storeAll(source, [...generateInstances('victims', 60, 8 * 1024), killer]);
  const proxy = await startFaultProxy(target.url);
  onTestFinished(() => proxy.close());
  // What a supervisor does: the server comes back a moment after each crash.
  let restarted = Promise.resolve();
  const crash = async (): Promise<void> => {
    await restarted;
    await target.kill();
    restarted = target.restart();
  };
  proxy.break({
    effect: { kind: 'call', call: crash },
    matches: ({ method, announcedBytes }) => method === 'POST' && announcedBytes === killer.sizeBytes,
  });
  const { exitCode, stdout } = await runCommand(['run', source.url, proxy.url, '--archive', archive, '--json']);
  await restarted;
  expect(exitCode).toBe(5);
  expect(parseJsonLines(stdout)).toMatchObject({
    problems: [{ id: killer.id, outcome: 'failed', code: 'unreachable' }],
    summary: { copied: 60, failed: 1 },
  });
  expect(await instanceIds(target)).toHaveLength(60);
  expect(await prove([orthancPlace('source', source.url), folderPlace('archive', archive)])).toMatchObject({
    equal: true,
  });
});

test.each([
  ['old', oldOrthanc],
  ['new', newOrthanc],
])('the generated file with a deeply nested sequence kills a real server, %s', async (_, program) => {
  const server = await serverForTest({ bin: program().bin });
  const { bytes } = generateNestedSequence(placeOfNth('nested', 0));
  await expect(fetch(new URL('instances', server.url), { method: 'POST', body: bytes })).rejects.toThrow();
  await expect(fetch(new URL('system', server.url))).rejects.toThrow();
});
