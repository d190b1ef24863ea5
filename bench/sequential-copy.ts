/**
 * Copies as Replicate.py of the Orthanc distribution does: one instance after the other, one connection per request,
 * and, because its HTTP library does so unless told otherwise, with compressed answers asked for.
 */
import { type IncomingMessage, request } from 'node:http';
import { buffer } from 'node:stream/consumers';
import { createGunzip } from 'node:zlib';
import { z } from 'zod';
import { post } from '../local/upload.ts';

export interface SequentialCopyOptions {
  /** Whether answers may come compressed: what Orthanc does then costs it most of the time. */
  readonly gzip: boolean;
}

/** Copies every instance of `sourceUrl` to `targetUrl`. */
export async function sequentialCopy(
  sourceUrl: string,
  targetUrl: string,
  options: SequentialCopyOptions,
): Promise<void> {
  const list = await get(new URL('instances', sourceUrl), options);
  const ids = z.array(z.string()).parse(JSON.parse(list.toString()));
  for (const id of ids) {
    const bytes = await get(new URL(`instances/${id}/file`, sourceUrl), options);
    const answer = await post(targetUrl, { sizeBytes: bytes.length, body: () => bytes });
    if (answer.kind === 'refused') throw new Error(`the target answered ${answer.status}`);
  }
}

function get(url: URL, { gzip }: SequentialCopyOptions): Promise<Buffer> {
  const headers = gzip ? { 'accept-encoding': 'gzip' } : {};
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  request(url, { agent: false, headers }, (response) => {
    buffer(decoded(response)).then(resolve, reject);
  })
    .on('error', reject)
    .end();
  return promise;
}

function decoded(response: IncomingMessage): NodeJS.ReadableStream {
  return response.headers['content-encoding'] === 'gzip' ? response.pipe(createGunzip()) : response;
}
