/** What `verify` tells of the bytes that it proved. */
import { expect, test } from 'vitest';
import { createTerminal } from '../../cli/terminal.ts';
import { VerifyReport } from '../../cli/verify/verify-report.ts';
import { verifyStore } from '../../core/archive-life/verify/verify.ts';
import { md5Of } from '../../core/identifiers.ts';
import { MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';

/** What verifying three instances of 1,000 bytes prints, one of which is damaged. */
async function linesOf(store: MemoryStore, json: boolean): Promise<readonly string[]> {
  for (let n = 0; n < 3; n += 1) store.instances.set(sampleId(n), sampleBytes(n, 1000));
  store.transport = (id, bytes) => (id === sampleId(1) ? bytes.subarray(1) : bytes);
  const lines: string[] = [];
  const stream = (write: (text: string) => unknown) => ({ write, on: () => undefined });
  const terminal = createTerminal(
    stream((line) => lines.push(line)),
    stream(() => undefined),
  );
  terminal.begin({ json });
  const report = new VerifyReport(terminal);
  for await (const result of verifyStore(store)) report.add(store.name, result, undefined);
  report.finish(false, 0);
  return lines;
}

async function summaryOf(store: MemoryStore, json: boolean): Promise<string> {
  return (await linesOf(store, json)).at(-1) ?? '';
}

test('the bytes verified are those of what is sound', async () => {
  expect(JSON.parse(await summaryOf(new MemoryStore('store'), true))).toMatchObject({
    type: 'summary',
    instances: { sound: 2, damaged: 1 },
    bytesVerified: 2000,
  });
  expect(await summaryOf(new MemoryStore('store'), false)).toContain('sound 2, damaged 1');
  expect(await summaryOf(new MemoryStore('store'), false)).toContain('(1.95 KiB verified)');
});

test('they are counted where the listing tells no sizes, too', async () => {
  const old = new MemoryStore('old');
  old.listsHashes = false;
  expect(JSON.parse(await summaryOf(old, true))).toMatchObject({ bytesVerified: 2000, instances: { sound: 2 } });
});

test('a damaged instance is told with its hash, and without one where the server lists none', async () => {
  const told = async (store: MemoryStore) => JSON.parse((await linesOf(store, true))[0] ?? '') as unknown;
  const problem = { type: 'problem', what: 'instance', id: sampleId(1), kind: 'damaged', code: expect.any(String) };
  expect(await told(new MemoryStore('store'))).toMatchObject({ ...problem, md5: md5Of(sampleBytes(1, 1000)) });
  const old = new MemoryStore('old');
  old.listsHashes = false;
  expect(await told(old)).not.toHaveProperty('md5');
});
