import type { CallOptions } from '../call-options.ts';
import { MirrorError } from '../errors.ts';
import type { OrthancClient } from '../stores/orthanc/http-client.ts';

/** Bytes of a known length being read: once. */
export interface SizedBytes {
  readonly sizeBytes: number;
  /** Ends normally only after `sizeBytes` bytes. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Gives up reading. Idempotent; harmless after the end. */
  cancel(): void;
}

/** Starts reading the bytes under a path of a server. Throws `vanished` on 404, and what the connection throws. */
export async function openBytes(
  client: OrthancClient,
  path: string,
  { signal }: CallOptions = {},
): Promise<SizedBytes> {
  const answer = await client.request({ method: 'GET', path, long: true, signal });
  const { sizeBytes } = answer;
  if (sizeBytes === undefined) {
    answer.cancel();
    throw new MirrorError('answer-malformed', `${client.name} does not tell the size of ${path}`);
  }
  return { sizeBytes, body: answer.bytes(signal), cancel: () => answer.cancel() };
}
