/** What tests of histories say and ask of archives in memory. */
import { z } from 'zod';
import { type InstanceId, type Md5, md5Of } from '../../../core/identifiers.ts';
import { folders } from '../../../core/stores/archive/keys.ts';
import type { InstanceIdentity } from '../../../core/stores/store.ts';
import type { MemoryObjects } from '../memory-objects.ts';

export { md5Of };

export function identityOf(id: InstanceId, bytes: Uint8Array): InstanceIdentity {
  return { id, md5: md5Of(bytes), sizeBytes: bytes.length };
}

const recordSchema = z.object({
  format: z.literal('orthanc-mirror-history'),
  version: z.literal(1),
  number: z.int(),
  what: z.enum(['current', 'removed', 'imported']),
  md5: z.custom<Md5>().optional(),
  at: z.iso.datetime(),
  observedBy: z.string(),
  origin: z.enum(['source', 'import', 'object']),
});

/** What the records of an archive say to people, in the order of their keys. */
export function recordsIn({ stored }: MemoryObjects) {
  return [...stored]
    .filter(([key]) => key.startsWith(folders.history))
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, { bytes }]) => {
      const {
        number,
        what,
        md5,
        at,
        observedBy: by,
        origin,
      } = recordSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
      return { number, what, ...(md5 && { md5 }), at, by, origin };
    });
}
