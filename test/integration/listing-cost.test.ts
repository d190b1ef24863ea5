import { expect, onTestFinished, test } from 'vitest';
import { isInstanceId } from '../../core/identifiers.ts';
import { generateInstances } from '../../local/dicom/generate.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { folderForTest, parseJsonLines, serverForTest, storeAll } from '../e2e/support/scene.ts';
import { runCommand } from '../support/command.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';

test('a second run downloads and uploads nothing, and lists thousands of instances with a request', async () => {
  const [source, target, folder] = await Promise.all([
    serverForTest({ bin: newOrthanc().bin }),
    serverForTest({ bin: newOrthanc().bin }),
    folderForTest(),
  ]);
  await storeAll(source, generateInstances('listed', 300, 2100));
  const proxies = await Promise.all([source, target].map(({ url }) => startFaultProxy(url)));
  onTestFinished(async () => {
    await Promise.all(proxies.map((proxy) => proxy.close()));
  });
  const args = ['run', ...proxies.map(({ url }) => url), '--archive', `${folder}/archive`, '--json'];
  expect((await runCommand(args)).exitCode).toBe(0);
  for (const proxy of proxies) proxy.forget();
  const { stdout } = await runCommand(args);
  expect(parseJsonLines(stdout).summary).toMatchObject({ copied: 0, alreadyEqual: 300 });
  for (const { seen } of proxies) {
    const listings = seen.filter(({ path }) => path.startsWith('/instances?'));
    // The inventory in pages of 20,000, and what users attached in pages of 10,000; each list ends with a page of its own.
    expect(listings.length).toBeLessThanOrEqual(2 + 2);
    expect(
      seen.filter(({ path, method }) => path.endsWith('/data') || (method === 'POST' && path === '/instances')),
    ).toEqual([]);
    // The rest is constant: what the server is, the end of its feed, how many it holds, what users attached.
    expect(seen.length).toBeLessThanOrEqual(25);
  }
});

test('a server that lists no hashes is asked for each instance once, not by every run', async () => {
  const [source, folder] = await Promise.all([serverForTest({ bin: oldOrthanc().bin }), folderForTest()]);
  const instances = [...generateInstances('asked once', 61, 2100)];
  await storeAll(source, instances.slice(0, 60));
  const proxy = await startFaultProxy(source.url);
  onTestFinished(() => proxy.close());
  const args = ['run', proxy.url, '--archive', `${folder}/archive`, '--instances-only', '--json'];
  const ids = new Set(instances.map(({ id }) => id));
  const askedFor = async (): Promise<number> => {
    proxy.forget();
    const { exitCode, stdout } = await runCommand(args);
    expect(exitCode).toBe(0);
    expect(parseJsonLines(stdout).summary).toMatchObject({ failed: 0 });
    const paths = proxy.seen.map(({ path }) => /^\/instances\/(.*)\/attachments\/dicom\/info$/.exec(path)?.[1]);
    return paths.filter((id) => id !== undefined && isInstanceId(id) && ids.has(id)).length;
  };
  expect(await askedFor()).toBe(60);
  expect(await askedFor()).toBe(0);
  await storeAll(source, instances.slice(60));
  expect(await askedFor()).toBe(1);
  expect(await askedFor()).toBe(0);
});
