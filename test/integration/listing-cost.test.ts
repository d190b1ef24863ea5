import { expect, onTestFinished, test } from 'vitest';
import { generateInstances } from '../../local/dicom/generate.ts';
import { newOrthanc } from '../../local/orthanc-versions.ts';
import { runCommand } from '../e2e/support/command-line.ts';
import { folderForTest, parseJsonLines, serverForTest, storeAll } from '../e2e/support/scene.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';

test('a second run downloads and uploads nothing, and lists 1,000 instances with a request', async () => {
  const [source, target, folder] = await Promise.all([
    serverForTest({ bin: newOrthanc().bin }),
    serverForTest({ bin: newOrthanc().bin }),
    folderForTest(),
  ]);
  await storeAll(source, generateInstances('listed', 2500, 2100));
  const proxies = await Promise.all([source, target].map(({ url }) => startFaultProxy(url)));
  onTestFinished(async () => {
    await Promise.all(proxies.map((proxy) => proxy.close()));
  });
  const args = ['run', ...proxies.map(({ url }) => url), '--archive', `${folder}/archive`, '--json'];
  expect((await runCommand(args)).exitCode).toBe(0);
  for (const proxy of proxies) proxy.forget();
  const { stdout } = await runCommand(args);
  expect(parseJsonLines(stdout).summary).toMatchObject({ copied: 0, alreadyEqual: 2500 });
  for (const { seen } of proxies) {
    const listings = seen.filter(({ path }) => path.startsWith('/instances?'));
    // The inventory in pages of 1,000, and what users attached in pages of 10,000; each list ends with a page of its own.
    expect(listings.length).toBeLessThanOrEqual(4 + 2);
    expect(
      seen.filter(({ path, method }) => path.endsWith('/data') || (method === 'POST' && path === '/instances')),
    ).toEqual([]);
    // The rest is constant: what the server is, the end of its feed, what users attached to 2,500 / 100 studies.
    expect(seen.length).toBeLessThanOrEqual(25);
  }
});
