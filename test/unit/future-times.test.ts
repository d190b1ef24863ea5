/** Records and sidecars with times in the future are told, and change nothing. */
import { expect, test } from 'vitest';
import { orthancIdOf } from '../../core/identifiers.ts';
import { ArchiveView } from '../../core/restore/archive-view.ts';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { lookAtTimes, tellingFutureTimes } from '../../core/stores/archive/future-times.ts';
import { historyKey, instanceKey, patientKey, studyKey } from '../../core/stores/archive/keys.ts';
import { identityOf, md5Of } from '../support/histories/archived.ts';
import { MemoryObjects } from '../support/memory-objects.ts';
import { sampleBytes, sampleId } from '../support/memory-store.ts';

const now = Date.parse('2026-11-21T10:00:00Z');
const minutes = (count: number): Date => new Date(now + count * 60_000);
const id = sampleId(1);
const resource = orthancIdOf('patient');

test('each is told once, when a listing meets it, and costs no request', async () => {
  const objects = new MemoryObjects();
  const keys = [
    historyKey({ id, number: 1, at: minutes(6), what: 'removed' }),
    historyKey({ id, number: 2, at: minutes(4), what: 'removed' }),
    studyKey(resource, minutes(600), '01234567'),
    patientKey(resource, new Date('2999-01-01'), '01234567'),
    patientKey(resource, minutes(-5), '01234567'),
  ];
  for (const key of keys) await objects.putOnce(key, Buffer.from('{}'), { sizeBytes: 2 });
  const told: string[] = [];
  const watched = tellingFutureTimes(
    objects,
    ({ key }) => told.push(key),
    () => now,
  );
  const before = { ...objects.calls };
  for (let pass = 1; pass <= 2; pass += 1) {
    await Array.fromAsync(watched.list('history/'));
    await lookAtTimes(watched);
  }
  expect(told).toEqual([keys[0], keys[2], keys[3]]);
  expect(objects.calls).toEqual({ ...before, list: before.list + 6 });
});

test('a removal that is dated in the future gives way to what the source has, at once', async () => {
  const objects = new MemoryObjects({ now: () => now });
  const archive = await openArchive(objects, {
    createFor: { name: 'source' },
    writer: 'run',
    now: () => new Date(now),
  });
  const [first, second] = [sampleBytes(1), sampleBytes(2)];
  await archive.store(identityOf(id, first), first);
  await archive.history.withFirst(await archive.history.of(id));
  const removed = historyKey({ id, number: 2, at: new Date('2999-01-01'), what: 'removed' });
  await objects.putOnce(removed, Buffer.from('{}'), { sizeBytes: 2 });
  const present = async () => (await Array.fromAsync(new ArchiveView(archive).inventory())).map(({ md5 }) => md5);
  expect(await present()).toEqual([]);
  await archive.storeKept({ id, md5: md5Of(first) });
  expect(await present()).toEqual([md5Of(first)]);
  await archive.store(identityOf(id, second), second);
  expect(await present()).toEqual([md5Of(second)]);
  expect([...objects.stored.keys()]).toContain(instanceKey(id, md5Of(second)));
});
