/** What is read back of an archive beside its instances: sidecars, attachments, records, and whatever they name. */
import { expect, test } from 'vitest';
import { repairBeside } from '../../core/archive-life/repair-beside.ts';
import type { Subset } from '../../core/archive-life/verify/subset.ts';
import { type Checked, type VerifyBesideOptions, verifyBeside } from '../../core/archive-life/verify-beside.ts';
import { ByteBudget } from '../../core/copy/byte-budget.ts';
import { MirrorError } from '../../core/errors.ts';
import { type InstanceId, md5Of } from '../../core/identifiers.ts';
import { archiveSidecar } from '../../core/sidecars/archive-sidecar.ts';
import { type Archive, openArchive } from '../../core/stores/archive/archive.ts';
import { attachmentKey, instanceKey } from '../../core/stores/archive/keys.ts';
import type { GetOptions, OpenObject } from '../../core/stores/archive/object-storage.ts';
import { instanceId, studyId, studySidecar } from '../support/archived-studies.ts';
import { MemoryObjects } from '../support/memory-objects.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { noFindings } from '../support/no-findings.ts';

const attached = Buffer.from('a report');
const attachment = { md5: md5Of(attached), sizeBytes: attached.length };
const bytesOf = (id: InstanceId): Buffer => Buffer.from(id);
const studies = [1, 2, 3, 4];

/** Objects that can be made to fail, or to deliver something else. */
class UnsureObjects extends MemoryObjects {
  before: (key: string) => void = () => undefined;

  override get(key: string, options?: GetOptions): Promise<OpenObject | undefined> {
    this.before(key);
    return super.get(key, options);
  }
}

/** An archive of four studies with an instance and an attachment each; the first one's instance was removed. */
async function setUp() {
  const objects = new UnsureObjects();
  const archive = await openArchive(objects, { createFor: { name: 'source' } });
  for (const n of studies) {
    const bytes = bytesOf(instanceId(n));
    await archive.store({ id: instanceId(n), md5: md5Of(bytes), sizeBytes: bytes.length }, bytes);
    const attachments = async () => ({ sizeBytes: attached.length, body: chunks(attached), cancel: () => undefined });
    const document = studySidecar(n, [instanceId(n)], { attachments: { 1040: attachment } });
    await archiveSidecar(objects, document, { attachments, ...noFindings });
  }
  await archive.recordRemoval(instanceId(1));
  return { objects, archive };
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, 3);
  yield bytes.subarray(3);
}

function check(archive: Archive, options: Partial<VerifyBesideOptions> = {}): Promise<readonly Checked[]> {
  return Array.fromAsync(verifyBeside(archive, { ...noFindings, ...options }));
}

const wrongOf = (checked: readonly Checked[]) => checked.filter(({ kind }) => kind !== 'sound');
const attachmentOf = (n: number): string => attachmentKey('studies', studyId(n), 1040, attachment.md5);

function keyWith(objects: MemoryObjects, prefix: string): string {
  const found = [...objects.stored.keys()].find((key) => key.startsWith(prefix));
  if (found === undefined) throw new Error('there is one');
  return found;
}

/** As a failing disk leaves it. */
function spoil(objects: MemoryObjects, key: string): void {
  const found = objects.stored.get(key);
  if (found === undefined) throw new Error('there is nothing to spoil');
  objects.stored.set(key, { ...found, bytes: found.bytes.subarray(0, 5) });
}

test('every sidecar, attachment and record of a sound archive is read, and nothing is wrong with it', async () => {
  const { archive } = await setUp();
  const checked = await check(archive);
  expect(wrongOf(checked)).toEqual([]);
  const count = (what: Checked['what']) => checked.filter((one) => one.what === what).length;
  expect([count('sidecar'), count('attachment'), count('record'), count('instance')]).toEqual([4, 4, 2, 0]);
  expect(checked.filter(({ what }) => what === 'attachment').map(({ sizeBytes }) => sizeBytes)).toEqual([8, 8, 8, 8]);
});

test('the parts of a subset are everything, and each thing is in one of them', async () => {
  const { archive } = await setUp();
  const parts = [1, 2, 3].map((n): Subset => ({ kind: 'part', n, t: 3 }));
  const keys = await Promise.all(parts.map(async (subset) => (await check(archive, { subset })).map(({ key }) => key)));
  expect(keys.flat().toSorted()).toEqual((await check(archive)).map(({ key }) => key).toSorted());
  expect(Math.max(...keys.map(({ length }) => length))).toBeLessThan(10);
});

test.each([
  ['sidecar', `studies/${studyId(2)}/`, studyId(2)],
  ['attachment', `attachments/studies/${studyId(2)}/`, studyId(2)],
  ['record', `history/${instanceId(1)}/`, instanceId(1)],
])('a %s that is not what its key promises is damaged, and the rest is read', async (what, prefix, id) => {
  const { objects, archive } = await setUp();
  const key = keyWith(objects, prefix);
  spoil(objects, key);
  const checked = await check(archive);
  expect(wrongOf(checked)).toMatchObject([{ what, id, key, kind: 'damaged', sizeBytes: 0 }]);
  expect(checked).toHaveLength(10);
});

test('what a sidecar names and is not there is lost: an instance, and an attachment', async () => {
  const { objects, archive } = await setUp();
  const gone = instanceKey(instanceId(3), md5Of(bytesOf(instanceId(3))));
  objects.stored.delete(gone);
  objects.stored.delete(attachmentOf(2));
  const wrong = wrongOf(await check(archive));
  expect(wrong).toHaveLength(2);
  expect(wrong).toContainEqual(
    expect.objectContaining({ what: 'instance', id: instanceId(3), key: gone, kind: 'lost' }),
  );
  expect(wrong).toContainEqual(expect.objectContaining({ what: 'attachment', key: attachmentOf(2), kind: 'lost' }));
  for (const { error, key } of wrong)
    expect(error).toMatchObject({ code: 'vanished', message: expect.stringContaining(key) });
});

test('what was not archived yet when the sidecar was written is not lost', async () => {
  const { objects, archive } = await setUp();
  await archiveSidecar(objects, studySidecar(9, [instanceId(9)]), {
    attachments: () => Promise.reject(new Error('it has none')),
    ...noFindings,
  });
  expect(wrongOf(await check(archive))).toEqual([]);
});

test('an instance that is known to be there costs no request', async () => {
  const { objects, archive } = await setUp();
  objects.stored.delete(instanceKey(instanceId(3), md5Of(bytesOf(instanceId(3)))));
  const known = (id: InstanceId) => id === instanceId(3);
  expect(wrongOf(await check(archive, { known }))).toEqual([]);
});

test.each([
  ['unreachable', 'unverified'],
  ['body-short', 'damaged'],
] as const)('what cannot be read for %s is %s, and stops nothing', async (code, kind) => {
  const { objects, archive } = await setUp();
  const keys = [keyWith(objects, `studies/${studyId(2)}/`), attachmentOf(3), keyWith(objects, 'history/')];
  objects.before = (key) => {
    if (keys.includes(key)) throw new MirrorError(code, 'as it is');
  };
  const checked = await check(archive);
  const wrong = new Map(wrongOf(checked).map((one) => [one.key, [one.kind, one.error?.code]]));
  expect(wrong).toEqual(new Map(keys.map((key) => [key, [kind, code]])));
  expect(checked).toHaveLength(10);
});

test('what is wrong once on its way here is read again, and is sound', async () => {
  const { objects, archive } = await setUp();
  const again = new Set([keyWith(objects, `studies/${studyId(2)}/`), attachmentOf(3)]);
  objects.before = (key) => {
    if (again.delete(key)) throw new MirrorError('body-short', 'cut');
  };
  expect(wrongOf(await check(archive))).toEqual([]);
  expect(again).toEqual(new Set());
});

test('what is deleted while it is read has vanished', async () => {
  const { objects, archive } = await setUp();
  objects.before = (key) => {
    if (key === attachmentOf(4)) objects.stored.delete(key);
  };
  expect(wrongOf(await check(archive))).toMatchObject([{ what: 'attachment', key: attachmentOf(4), kind: 'vanished' }]);
});

test('a defect, and an interruption, end it', async () => {
  const { objects, archive } = await setUp();
  objects.before = () => {
    throw new RangeError('a defect');
  };
  await expect(check(archive)).rejects.toThrow(RangeError);
  await expect(check(archive, { signal: AbortSignal.abort() })).rejects.toThrow();
});

test('a lost instance is put back from the nearest store that has its bytes, once', async () => {
  const { objects, archive } = await setUp();
  const id = instanceId(3);
  objects.stored.delete(instanceKey(id, md5Of(bytesOf(id))));
  const [wrong] = wrongOf(await check(archive));
  if (wrong === undefined) throw new Error('it is lost');
  const repairing = { archive, source: undefined, servers: [], budget: new ByteBudget(1_000_000), ...noFindings };
  const other = new MemoryStore('other', [[id, Buffer.from('other bytes')]]);
  expect(await repairBeside(wrong, { ...repairing, goodCopies: [other] })).toMatchObject({
    kind: 'not-repaired',
    error: { code: 'source-corrupt', advice: 'name-other-stores' },
  });
  const good = new MemoryStore('good', [[id, bytesOf(id)]]);
  expect(await repairBeside(wrong, { ...repairing, goodCopies: [other, good] })).toMatchObject({
    kind: 'repaired',
    from: 'good',
  });
  expect(wrongOf(await check(archive))).toEqual([]);
});

test('what nobody can put right is said with what to do, and stays as it is', async () => {
  const { objects, archive } = await setUp();
  spoil(objects, keyWith(objects, `studies/${studyId(2)}/`));
  spoil(objects, attachmentOf(3));
  spoil(objects, keyWith(objects, 'history/'));
  const before = new Map(objects.stored);
  const repairing = { archive, source: undefined, servers: [], goodCopies: [], budget: new ByteBudget(1_000_000) };
  const outcomes = await Promise.all(
    wrongOf(await check(archive)).map(async (one) => [
      one.what,
      await repairBeside(one, { ...repairing, ...noFindings }),
    ]),
  );
  expect(Object.fromEntries(outcomes)).toMatchObject({
    sidecar: { kind: 'not-repaired', error: { advice: 'name-source' } },
    attachment: { kind: 'not-repaired', error: { advice: 'name-other-servers' } },
    record: { kind: 'not-repaired', error: { code: 'source-corrupt' } },
  });
  expect(objects.stored).toEqual(before);
});
