import { createHash } from 'node:crypto';
import { MirrorError } from '../../errors.ts';
import type { OpenInstance } from '../../stores/store.ts';

/** An instance whose last chunk is held back until all bytes have its MD5: what is damaged is never delivered whole. */
export function verifiedInstance(opened: OpenInstance, from: string): OpenInstance {
  const { id, md5 } = opened;
  async function* checked(): AsyncGenerator<Uint8Array> {
    const hash = createHash('md5');
    let last: Uint8Array | undefined;
    for await (const chunk of opened.body) {
      hash.update(chunk);
      if (last !== undefined) yield last;
      last = chunk;
    }
    if (hash.digest('hex') !== md5) {
      throw new MirrorError('hash-wrong', `instance ${id} from ${from} does not have the MD5 ${md5} any more`);
    }
    if (last !== undefined) yield last;
  }
  return { ...opened, body: checked() };
}
