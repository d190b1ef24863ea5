import type { CallOptions } from '../../call-options.ts';
import { isMirrorError } from '../../errors.ts';
import type { InstanceId } from '../../identifiers.ts';
import type { OpenInstance } from '../store.ts';
import { dicomPath } from './dicom-attachment.ts';
import type { OrthancClient } from './http-client.ts';
import { openInstance } from './open-instance.ts';

/**
 * Starts reading what a server has of an instance whose file is damaged; no hash is promised for it. Orthanc 1.13.0
 * refuses bytes of another hash than its index has, but not a range of them; 1.10.1 and 1.12.7 deliver what lies there
 * (seen with one bit changed; of a file that was cut, 1.13.0 delivers nothing). @returns `undefined` if the server
 * delivers nothing. Throws `vanished` if it does not hold the instance, and what the connection throws.
 */
export async function openDamaged(
  client: OrthancClient,
  id: InstanceId,
  options: CallOptions,
): Promise<OpenInstance | undefined> {
  try {
    return await openInstance(client, id, options);
  } catch (error) {
    if (!isMirrorError(error, 'source-corrupt')) throw error;
  }
  const path = `${dicomPath(id)}/data`;
  const headers = { range: 'bytes=0-' };
  const answer = await client.request({
    method: 'GET',
    path,
    headers,
    accept: [400, 404, 416, 500],
    long: true,
    ...options,
  });
  const { sizeBytes } = answer;
  if (answer.status !== 206 || sizeBytes === undefined || sizeBytes > client.limits.mostInstanceBytes) {
    await answer.discard();
    return undefined;
  }
  return { id, md5: undefined, sizeBytes, body: answer.bytes(options.signal), cancel: () => answer.cancel() };
}
