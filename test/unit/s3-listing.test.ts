/** Listings of a storage that speaks S3 and does not get on. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';

/** A storage whose n-th page holds these keys, and says that another one follows. */
async function storageOf(page: (n: number) => readonly string[]) {
  let requests = 0;
  const server = createServer((_, response) => {
    const contents = page(requests).map(
      (key) =>
        `<Contents><Key>${key}</Key><Size>1</Size><ETag>"1"</ETag><LastModified>2026-11-21T00:00:00Z</LastModified></Contents>`,
    );
    requests += 1;
    response.setHeader('content-type', 'application/xml');
    response.end(
      `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>${requests}</NextContinuationToken>${contents.join('')}</ListBucketResult>`,
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const objects = new S3Objects({
    bucket: 'b',
    endpoint: `http://127.0.0.1:${address.port}`,
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    name: 'the bucket',
  });
  onTestFinished(async () => {
    await objects.close();
    server.closeAllConnections();
    server.close();
  });
  return { objects, requests: () => requests };
}

test.each([
  ['the same page', () => ['instances/a', 'instances/b'], 3],
  ['pages that go back', (n: number) => [`instances/${9 - n}`], 3],
  ['pages without anything', () => [], 1002],
])('a storage that lists %s again and again is given up', async (_, page, most) => {
  const { objects, requests } = await storageOf(page);
  const listing = Array.fromAsync(objects.list('instances/'));
  await expect(listing).rejects.toMatchObject({ code: 'answer-malformed', disposition: 'halt' });
  await expect(listing).rejects.toThrow(/^the bucket: /);
  expect(requests()).toBeLessThanOrEqual(most);
});
