/**
 * Posts DICOM files to an Orthanc server over plain HTTP, for the demo, the benchmarks and the tests. Knows nothing of
 * retries or proofs: that is the product's business.
 */
import { Agent, request } from 'node:http';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';

/** A file to post; `body` is called once, when its turn comes. */
export interface Upload {
  readonly sizeBytes: number;
  body(): Uint8Array | AsyncIterable<Uint8Array>;
}

/** What the server made of a file: stored under an id (also if it was there already), or refused with this status. */
export type UploadAnswer =
  | { readonly kind: 'stored'; readonly id: string }
  | { readonly kind: 'refused'; readonly status: number };

const storedAnswer = z.object({ ID: z.string(), Status: z.enum(['Success', 'AlreadyStored']) });

/**
 * Posts all files over `connections` keep-alive connections.
 * @throws if the server cannot be reached, or breaks a connection
 */
export async function uploadAll(
  serverUrl: string,
  uploads: Iterable<Upload>,
  connections: number,
  onAnswer: (answer: UploadAnswer, upload: Upload) => void = () => undefined,
): Promise<void> {
  const agent = new Agent({ keepAlive: connections > 0, maxSockets: connections });
  const waiting = uploads[Symbol.iterator]();
  const worker = async () => {
    for (let next = waiting.next(); next.done !== true; next = waiting.next()) {
      onAnswer(await post(serverUrl, next.value, agent), next.value);
    }
  };
  try {
    await Promise.all(Array.from({ length: connections }, worker));
  } finally {
    agent.destroy();
  }
}

/** Posts one file. Without an agent the connection is used for this one file only. */
export async function post(serverUrl: string, upload: Upload, agent: Agent | false = false): Promise<UploadAnswer> {
  const headers = { 'content-type': 'application/dicom', 'content-length': upload.sizeBytes };
  const { promise, resolve, reject } = Promise.withResolvers<UploadAnswer>();
  const sent = request(new URL('instances', serverUrl), { method: 'POST', agent, headers }, (response) => {
    text(response)
      .then((answer) => resolve(answerOf(response.statusCode ?? 0, answer)))
      .catch(reject);
  });
  sent.on('error', reject);
  const body = upload.body();
  if (body instanceof Uint8Array) sent.end(body);
  else pipeline(Readable.from(body), sent).catch(reject);
  return promise;
}

function answerOf(status: number, body: string): UploadAnswer {
  return status === 200 ? { kind: 'stored', id: storedAnswer.parse(JSON.parse(body)).ID } : { kind: 'refused', status };
}
