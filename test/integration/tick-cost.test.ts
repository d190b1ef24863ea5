import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { expect, onTestFinished, test } from 'vitest';
import { evenClock } from '../../core/clock.ts';
import type { Announcement } from '../../core/mirror/announcing.ts';
import { progressBeside } from '../../core/mirror/progress.ts';
import { tick } from '../../core/mirror/tick.ts';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';
import { readCapabilities } from '../../core/stores/orthanc/capabilities.ts';
import { openOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import { generateInstances } from '../../local/dicom/generate.ts';
import { newOrthanc } from '../../local/orthanc-versions.ts';
import { startS3 } from '../../local/s3/start-s3.ts';
import { folderForTest, serverForTest, storeAll } from '../e2e/support/scene.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';

async function counted(url: string): Promise<FaultProxy> {
  const proxy = await startFaultProxy(url);
  onTestFinished(() => proxy.close());
  return proxy;
}

test('a tick with nothing new costs one request to the source, none to the target and one to S3', async () => {
  const [source, target, folder] = await Promise.all([
    serverForTest({ bin: newOrthanc().bin }),
    serverForTest({ bin: newOrthanc().bin }),
    folderForTest(),
  ]);
  const s3 = await startS3({ folder });
  onTestFinished(() => s3.close());
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  const client = new S3Client({ endpoint: s3.endpoint, region: 'us-east-1', credentials, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: 'archive' }));
  client.destroy();
  const proxies = await Promise.all([source.url, target.url, s3.endpoint].map(counted));
  const [toSource, toTarget, toS3] = proxies;
  if (toSource === undefined || toTarget === undefined || toS3 === undefined) throw new Error('no proxies');
  await storeAll(source, generateInstances('ticking', 25, 4096));

  const sourceStore = openOrthancStore({ url: toSource.url });
  const targetStore = openOrthancStore({ url: toTarget.url });
  const objects = new S3Objects({ bucket: 'archive', endpoint: toS3.url, region: 'us-east-1', credentials });
  const archive = await openArchive(objects, { createFor: { name: 'source' } });
  onTestFinished(async () => {
    await Promise.all([sourceStore, targetStore, archive].map((store) => store.close()));
  });
  const sent: Announcement[] = [];
  const once = () =>
    tick({
      source: sourceStore,
      feed: sourceStore,
      sourceIdentity: async () => (await readCapabilities(sourceStore.client, {})).serverIdentifier ?? null,
      destinations: [
        { role: 'target', store: targetStore },
        { role: 'archive', store: archive },
      ],
      document: progressBeside(objects),
      send: async (announcements) => {
        sent.push(...announcements);
      },
      underLease: (work) => work(),
      clock: evenClock,
      compareEveryMs: 86_400_000,
      deadline: new AbortController().signal,
    });
  expect(await once()).toMatchObject({ announced: 25, comparing: false });
  await once();
  for (const proxy of proxies) proxy.forget();
  expect(await once()).toMatchObject({ announced: 0 });
  expect(proxies.map(({ seen }) => seen.length)).toEqual([1, 0, 1]);

  await storeAll(source, generateInstances('ticking later', 1, 4096));
  expect(await once()).toMatchObject({ announced: 1 });
  expect(sent).toHaveLength(26);
});
