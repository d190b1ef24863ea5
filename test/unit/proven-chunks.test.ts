import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { provenChunks } from '../../core/streams/proven-chunks.ts';

const chunkLists = fc.array(fc.uint8Array({ minLength: 1, maxLength: 8 }), { maxLength: 6 });
const wrong = () => new Error('other bytes');

async function* streamed(chunks: readonly Uint8Array[]) {
  yield* chunks;
}

test.each(['md5', 'sha256'] as const)('bytes of the promised %s pass unchanged', async (algorithm) => {
  await fc.assert(
    fc.asyncProperty(chunkLists, async (chunks) => {
      const digest = createHash(algorithm).update(Buffer.concat(chunks)).digest('hex');
      const promised = algorithm === 'md5' ? { md5: digest } : { sha256: digest };
      expect(await Array.fromAsync(provenChunks(streamed(chunks), promised, wrong))).toEqual(chunks);
    }),
  );
});

test('of others the last chunk is never given', async () => {
  await fc.assert(
    fc.asyncProperty(chunkLists, async (chunks) => {
      const passed: Uint8Array[] = [];
      const reading = async () => {
        for await (const chunk of provenChunks(streamed(chunks), { md5: '0'.repeat(32) }, wrong)) passed.push(chunk);
      };
      await expect(reading()).rejects.toThrow('other bytes');
      expect(passed).toEqual(chunks.slice(0, -1));
    }),
  );
});
