import { createHash } from 'node:crypto';
import type { CallOptions } from '../call-options.ts';
import { type InstanceId, isMd5, type Md5 } from '../identifiers.ts';
import type { OpenInstance, Store } from './store.ts';

/** Hashes what a store delivers: the only proof of one that keeps no hashes. Throws what opening and reading throw. */
export async function md5ReadBack(store: Pick<Store, 'open'>, id: InstanceId, { signal }: CallOptions): Promise<Md5> {
  return md5OfOpened(await store.open(id, { signal }));
}

/** Hashes an instance that is open. Throws what reading throws. */
export async function md5OfOpened(opened: OpenInstance): Promise<Md5> {
  try {
    const hash = createHash('md5');
    for await (const chunk of opened.body) hash.update(chunk);
    const md5 = hash.digest('hex');
    if (!isMd5(md5)) throw new Error('an MD5 is 32 hexadecimal digits');
    return md5;
  } finally {
    opened.cancel();
  }
}
