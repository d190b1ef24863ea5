import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { InstanceId, Md5 } from '../../identifiers.ts';
import type { OpenInstance } from '../store.ts';
import type { OrthancAnswer } from './answer.ts';
import { dicomPath, md5In, md5Path, parseEtag } from './dicom-attachment.ts';
import type { OrthancClient } from './http-client.ts';

/**
 * Starts reading an instance: one request where the ETag tells the MD5 (1.9.3), two before. No gzip is asked for: it
 * costs old servers 23 ms of processor time per 512 KiB instead of 1.
 *
 * Throws `answer-malformed` if the server does not tell the size, `vanished` if the server does not hold the instance, and `source-corrupt` if it knows it but has lost its
 * file (400, 404 or 500, depending on version and storage).
 */
export async function openInstance(client: OrthancClient, id: InstanceId, options: CallOptions): Promise<OpenInstance> {
  const { signal } = options;
  const answer = await readableAnswer(client, id, options);
  const { sizeBytes } = answer;
  try {
    if (sizeBytes === undefined) throw withoutSize(client.name, id);
    if (sizeBytes > client.limits.mostInstanceBytes) throw tooLarge(client, id, sizeBytes);
    const md5 = await md5Of(client, id, answer, options);
    return { id, md5, sizeBytes, body: answer.bytes(signal), cancel: () => answer.cancel() };
  } catch (error) {
    answer.cancel();
    throw error;
  }
}

/** A body of unknown length could end early without notice, or never end. */
function withoutSize(name: string, id: InstanceId): MirrorError {
  const hint = 'check for a proxy before the server that removes Content-Length';
  return new MirrorError('answer-malformed', `${name} does not tell the size of instance ${id}: ${hint}`);
}

function tooLarge({ name, limits }: OrthancClient, id: InstanceId, sizeBytes: number): MirrorError {
  const what = `announces ${sizeBytes} bytes of instance ${id}, more than ${limits.mostInstanceBytes}`;
  return new MirrorError('answer-malformed', `${name} ${what}: no instance is so large`);
}

async function md5Of(
  client: OrthancClient,
  id: InstanceId,
  answer: OrthancAnswer,
  options: CallOptions,
): Promise<Md5 | undefined> {
  const etag = parseEtag(answer.header('etag'));
  return etag === undefined ? md5In(await client.findText(md5Path(id), options)) : etag.md5;
}

/** @returns the answer with the bytes, or throws why there is none. */
async function readableAnswer(client: OrthancClient, id: InstanceId, options: CallOptions): Promise<OrthancAnswer> {
  const path = `${dicomPath(id)}/data`;
  try {
    return await client.request({ method: 'GET', path, long: true, ...options });
  } catch (error) {
    // A lost or cut file is a 404, 500 or 400, by version. The client has repeated a 500 before.
    if (!isMirrorError(error, 'vanished', 'server-error', 'refused')) throw error;
    if (await knowsInstance(client, id, options, error)) throw lostFile(client.name, id, error);
    throw new MirrorError('vanished', `${client.name} does not hold the instance ${id} any more`, { cause: error });
  }
}

/** Asks the index alone. A server in general trouble cannot answer this either: then `failure` holds. */
async function knowsInstance(
  client: OrthancClient,
  id: InstanceId,
  options: CallOptions,
  failure: MirrorError,
): Promise<boolean> {
  try {
    const answer = await client.request({ method: 'GET', path: `/instances/${id}`, accept: [404], ...options });
    await answer.discard();
    return answer.status !== 404;
  } catch (error) {
    throw isMirrorError(error, 'server-error') ? failure : error;
  }
}

function lostFile(name: string, id: InstanceId, cause: MirrorError): MirrorError {
  const what = `${name} knows the instance ${id} but cannot read its file: restore it from a backup`;
  return new MirrorError('source-corrupt', what, { cause });
}
