import { expect, test } from 'vitest';
import { MirrorError } from '../../core/errors.ts';
import { memoryBeside } from '../../core/mirror/inventory-memory.ts';
import type { InventoryMemory } from '../../core/stores/orthanc/inventory-remembered.ts';
import { MemoryObjects } from '../support/memory-objects.ts';

const policy = { days: 30, now: () => new Date('2026-11-21T12:00:00Z') };
const bytes = Buffer.from('rows');

async function readBack(memory: InventoryMemory): Promise<string | undefined> {
  return (await memory.read(7, {}))?.toString();
}

test('what is remembered lies in the state of the archive, apart for each server', async () => {
  const objects = new MemoryObjects();
  await memoryBeside(objects, 'source', policy).write(7, bytes, {});
  expect([...objects.stored.keys()]).toEqual([expect.stringMatching(/^state\/inventory\/[0-9a-f]{16}\/07\.rows$/)]);
  expect(await readBack(memoryBeside(objects, 'source', policy))).toBe('rows');
  expect(await readBack(memoryBeside(objects, 'target', policy))).toBeUndefined();
});

test('a dry run remembers nothing', async () => {
  const objects = new MemoryObjects();
  await memoryBeside(objects, 'source', { ...policy, dryRun: true }).write(7, bytes, {});
  expect(objects.stored.size).toBe(0);
});

test('of two who remember at the same time the first counts, and neither fails', async () => {
  const objects = new MemoryObjects();
  const [one, other] = [memoryBeside(objects, 'source', policy), memoryBeside(objects, 'source', policy)];
  for (const memory of [one, other]) expect(await readBack(memory)).toBeUndefined();
  await one.write(7, bytes, {});
  await other.write(7, Buffer.from('else'), {});
  expect(await readBack(other)).toBe('rows');
  await other.write(7, Buffer.from('later'), {});
  expect(await readBack(one)).toBe('later');
});

test('an archive that fails costs what was remembered, and nothing else', async () => {
  const objects = new MemoryObjects();
  const failing = () => Promise.reject(new MirrorError('unreachable', 'the archive is away'));
  const memory = memoryBeside(Object.assign(objects, { get: failing, replaceIf: failing }), 'source', policy);
  expect(await readBack(memory)).toBeUndefined();
  await expect(memory.write(7, bytes, {})).resolves.toBeUndefined();
});
