/** Records and sidecars with times in the future are told, and change nothing. */
import { expect, test } from 'vitest';
import { ArchiveView } from '../../core/archive-life/restore/archive-view.ts';
import { orthancIdOf } from '../../core/identifiers.ts';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { lookAtTimes } from '../../core/stores/archive/future-times.ts';
import { recordBytes } from '../../core/stores/archive/history-record.ts';
import { historyKey, instanceKey, patientKey, studyKey } from '../../core/stores/archive/keys.ts';
import { identityOf, md5Of } from '../support/histories/archived.ts';
import { MemoryObjects } from '../support/memory-objects.ts';
import { sampleBytes, sampleId } from '../support/memory-store.ts';

const now = Date.parse('2026-11-21T10:00:00Z');
const minutes = (count: number): Date => new Date(now + count * 60_000);
const id = sampleId(1);
const resource = orthancIdOf('patient');
const removal = (number: number) => ({ id, number, what: 'removed' }) as const;
const [first, second] = [sampleBytes(1), sampleBytes(2)];

/** An archive of one instance, and what it tells; `objects` have the times of the clock. */
async function newArchive() {
  const clock = { at: new Date(now) };
  const objects = new MemoryObjects({ now: () => clock.at.getTime() });
  const told: string[] = [];
  const archive = await openArchive(objects, {
    createFor: { name: 'source' },
    writer: 'run',
    now: () => new Date(now),
    onFutureTime: ({ key }) => told.push(key),
  });
  await archive.store(identityOf(id, first), first);
  /** Writes as if the clock of the place were so. */
  const write = async (key: string, bytes: Uint8Array, at: Date) => {
    clock.at = at;
    await objects.putOnce(key, bytes, { sizeBytes: bytes.length });
    clock.at = new Date(now);
  };
  const writeRemoval = (number: number, at: Date, writtenAt = new Date(now)) => {
    const bytes = recordBytes({ ...removal(number), at }, { writer: 'run', origin: 'source' });
    return write(historyKey(removal(number)), bytes, writtenAt);
  };
  const present = async (at?: Date) =>
    (await Array.fromAsync(new ArchiveView(archive, { at }).inventory())).map(({ md5 }) => md5);
  return { archive, objects, told, write, writeRemoval, present };
}

test('each is told once, when a listing meets it, and costs no request: of a record goes the time of its object', async () => {
  const { archive, objects, told, write, writeRemoval } = await newArchive();
  await writeRemoval(1, minutes(0), minutes(6));
  await writeRemoval(2, minutes(0), minutes(4));
  const sidecars = [
    studyKey(resource, minutes(600), '01234567'),
    patientKey(resource, new Date('2999-01-01'), '01234567'),
    patientKey(resource, minutes(-5), '01234567'),
  ];
  for (const key of sidecars) await write(key, Buffer.from('{}'), minutes(0));
  const before = { ...objects.calls };
  for (let pass = 1; pass <= 2; pass += 1) {
    await Array.fromAsync(archive.known());
    await lookAtTimes(archive.objects);
  }
  expect(told).toEqual([historyKey(removal(1)), ...sidecars.slice(0, 2)]);
  expect(objects.calls).toEqual({ ...before, list: before.list + 8 });
});

test('a record with a time in the future is told as soon as it is read: for a moment, and by what comes after it', async () => {
  for (const reads of ['a moment', 'the next record', 'verification'] as const) {
    const { archive, told, writeRemoval, present } = await newArchive();
    await writeRemoval(1, new Date('2999-01-01'));
    expect(await present()).toEqual([]);
    expect(told).toEqual([]);
    if (reads === 'a moment') await present(minutes(1));
    if (reads === 'the next record') await archive.storeKept({ id, md5: md5Of(first) });
    if (reads === 'verification')
      for await (const record of archive.history.records()) await archive.history.read(record);
    expect(told, reads).toEqual([historyKey(removal(1))]);
  }
});

test('a removal that is dated in the future gives way to what the source has, at once', async () => {
  const { archive, objects, writeRemoval, present } = await newArchive();
  await archive.history.withFirst(await archive.history.of(id));
  await writeRemoval(2, new Date('2999-01-01'), new Date('2999-01-01'));
  expect(await present()).toEqual([]);
  await archive.storeKept({ id, md5: md5Of(first) });
  expect(await present()).toEqual([md5Of(first)]);
  await archive.store(identityOf(id, second), second);
  expect(await present()).toEqual([md5Of(second)]);
  expect([...objects.stored.keys()]).toContain(instanceKey(id, md5Of(second)));
});

test('whatever a storage can do, an archive that looks for such times can ask it for', async () => {
  const objects = Object.assign(new MemoryObjects(), {
    addressFor: async (key: string, seconds: number) => `https://archive.example.org/${key}?for=${seconds}`,
    thaw: async () => 'asked' as const,
  });
  const archive = await openArchive(objects, {
    createFor: { name: 'source' },
    writer: 'run',
    now: () => new Date(now),
    onFutureTime: () => undefined,
  });
  const abilities = [...Object.keys(objects), ...Object.getOwnPropertyNames(MemoryObjects.prototype)] as const;
  const has = (of: object) => abilities.filter((ability) => typeof Reflect.get(of, ability) === 'function').sort();
  expect(has(archive.objects)).toEqual(has(objects));
  expect(await archive.objects.addressFor?.('a/key', 60)).toBe('https://archive.example.org/a/key?for=60');
  expect(archive.objects.name).toBe(objects.name);
});
