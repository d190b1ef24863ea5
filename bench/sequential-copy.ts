/** Copies as Replicate.py of the Orthanc distribution does: one instance after the other, one connection per request. */
import { request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { z } from 'zod';
import { post } from '../local/upload.ts';

/** Copies every instance of `sourceUrl` to `targetUrl`. */
export async function sequentialCopy(sourceUrl: string, targetUrl: string): Promise<void> {
  const ids = z.array(z.string()).parse(JSON.parse((await get(sourceUrl, 'instances')).toString()));
  for (const id of ids) {
    const bytes = await get(sourceUrl, `instances/${id}/file`);
    const answer = await post(targetUrl, { sizeBytes: bytes.length, body: () => bytes });
    if (answer.kind === 'refused') throw new Error(`the target answered ${answer.status}`);
  }
}

function get(serverUrl: string, path: string): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  request(new URL(path, serverUrl), { agent: false }, (response) => {
    buffer(response).then(resolve, reject);
  })
    .on('error', reject)
    .end();
  return promise;
}
