/** Instances for an archive, which takes the id and the MD5 from whoever stores, and any bytes. */
import { randomBytes, randomUUID } from 'node:crypto';
import { isInstanceId, md5Of, orthancIdOf } from '../../core/identifiers.ts';
import type { SampleInstance } from './store-contract-setup.ts';

/** Makes an instance with a new id and random bytes. */
export function makeArchiveSample(sizeBytes: number): SampleInstance {
  const id = orthancIdOf('patient', 'study', 'series', randomUUID());
  if (!isInstanceId(id)) {
    throw new Error('not an id');
  }
  const bytes = randomBytes(sizeBytes);
  return { id, md5: md5Of(bytes), bytes };
}

/** Makes other bytes for the id of a sample. */
export function makeOtherArchiveVersion({ id, bytes }: SampleInstance): SampleInstance {
  const others = randomBytes(bytes.length);
  return { id, md5: md5Of(others), bytes: others };
}
