import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { md5Of, orthancIdOf } from '../../core/identifiers.ts';
import { StorageIndex } from '../../core/orthanc-disk/index/storage-index.ts';
import { readMasterKeys } from '../../core/orthanc-disk/object-encryption.ts';
import { storageRoleOf } from '../../core/orthanc-disk/storage/storage-names.ts';
import { encryptObject, zip, zlibWithSize } from '../support/import/archives.ts';
import { type ImportFolder, importFolder, instance, makeFolder } from '../support/import/import-setup.ts';
import { makeIndex } from '../support/import/index-file.ts';
import { interruptTransaction } from '../support/interrupt-transaction.ts';

let folder: ImportFolder;
beforeEach(async () => {
  folder = await makeFolder();
});
afterEach(() => folder.remove());

const [first, second, third] = [instance(1), instance(2), instance(3)];
/** A generated instance up to its pixel data, the last element. */
function untilPixelData(bytes: Uint8Array): Buffer {
  const file = Buffer.from(bytes);
  return file.subarray(0, file.lastIndexOf(Buffer.from('e07f1000', 'hex')));
}
const summary = Buffer.from('{"0008,0005":{"Name":"SpecificCharacterSet","Type":"String","Value":"ISO_IR 100"}}');
const uuids = Array.from({ length: 9 }, (_, n) => `${n}a1b2c3d-0000-4000-8000-00000000000${n}`);
const [uuid0 = '', uuid1 = '', uuid2 = '', uuid3 = '', uuid4 = ''] = uuids;
const at = (uuid: string) => `${uuid.slice(0, 2)}/${uuid.slice(2, 4)}/${uuid}`;

describe('the name of a storage file', () => {
  test.each([
    [`/var/lib/${at(uuid0)}`, { content: 'unknown', isEncrypted: false }],
    [`${uuid0}.dcm`, { content: 'instance', isEncrypted: false }],
    [`root/${uuid0}.dcm.enc`, { content: 'instance', isEncrypted: true }],
    [`${uuid0}.dcm.head`, { content: 'header', isEncrypted: false }],
    [`${uuid0}dcm.head`, { content: 'header', isEncrypted: false }],
    [`${uuid0}.json`, { content: 'summary', isEncrypted: false }],
    [`${uuid0}.unk.enc`, { content: 'attachment', isEncrypted: true }],
  ])('%s tells its part', (path, role) => {
    expect(storageRoleOf(path)).toEqual({ uuid: uuid0, ...role });
  });

  test.each([uuid0, `ff/ff/${uuid0}`, `${uuid0}.txt`, 'image.dcm', `x${uuid0}.dcm`])('%s is no such name', (path) => {
    expect(storageRoleOf(path)).toBeUndefined();
  });
});

describe('a storage without its index', () => {
  test('gives instances, plain and compressed, and neither summaries nor headers', async () => {
    await folder.write(at(uuid0), first.bytes);
    await folder.write(at(uuid1), zlibWithSize(second.bytes));
    await folder.write(at(uuid2), zlibWithSize(untilPixelData(second.bytes)));
    await folder.write(at(uuid3), summary);
    await folder.write(at(uuid4), zlibWithSize(summary));
    const { target, summary: sum, lines } = await importFolder(folder);
    expect([...target.instances.keys()].sort()).toEqual([first.id, second.id].sort());
    expect(Buffer.from(target.instances.get(second.id) ?? []).equals(second.bytes)).toBe(true);
    expect(sum.notDicom).toEqual(
      new Map([
        ['json-summary', 2],
        ['dicom-until-pixel-data', 1],
      ]),
    );
    expect(sum.counts).toMatchObject({ stored: 2, refused: 0, failed: 0 });
    expect(lines.size).toBe(5);
  });

  test('refuses the header of a lost instance, unless told that it is an object without pixels', async () => {
    await folder.write(at(uuid0), zlibWithSize(untilPixelData(first.bytes)));
    const { lines, target } = await importFolder(folder);
    expect(lines.get(at(uuid0))).toMatchObject({ outcome: 'refused' });
    expect(target.instances.size).toBe(0);
    const accepted = await importFolder(folder, { acceptWithoutPixelData: true });
    expect(accepted.target.instances.has(first.id)).toBe(true);
  });

  test('imports a plain object without pixels: plain storage keeps no headers', async () => {
    await folder.write(at(uuid0), untilPixelData(first.bytes));
    expect((await importFolder(folder)).target.instances.has(first.id)).toBe(true);
  });

  test('inside a zip is recognised too', async () => {
    await folder.write(
      'backup.zip',
      zip([
        { name: `OrthancStorage/${at(uuid0)}`, bytes: zlibWithSize(untilPixelData(first.bytes)) },
        { name: `OrthancStorage/${at(uuid1)}`, bytes: zlibWithSize(first.bytes) },
      ]),
    );
    const { target, summary: sum } = await importFolder(folder);
    expect(Buffer.from(target.instances.get(first.id) ?? []).equals(first.bytes)).toBe(true);
    expect(sum.notDicom.get('dicom-until-pixel-data')).toBe(1);
  });

  test('names every damaged file', async () => {
    await folder.write(at(uuid0), zlibWithSize(first.bytes).subarray(0, -10));
    const flipped = zlibWithSize(second.bytes);
    flipped.writeUInt8(flipped.readUInt8(500) ^ 0xff, 500);
    await folder.write(at(uuid1), flipped);
    await folder.write(at(uuid2), Buffer.alloc(3000));
    await folder.write(at(uuid3), new Uint8Array());
    await folder.write(at(uuid4), third.bytes);
    const { lines, target } = await importFolder(folder);
    expect([...target.instances.keys()]).toEqual([third.id]);
    for (const uuid of [uuid0, uuid1, uuid2, uuid3]) {
      expect(lines.get(at(uuid))).toMatchObject({ outcome: 'refused', reason: expect.stringMatching(/.+/) });
    }
  });
});

describe('a bucket of the object-storage plugin', () => {
  const masterKey = randomBytes(32);

  beforeEach(async () => {
    await folder.write('keys/master.key', Buffer.from(`${masterKey.toString('base64')}\n`));
    await folder.write('keys/other.key', Buffer.from(randomBytes(32).toString('base64')));
    await folder.write(`s/${uuid0}.dcm.enc`, encryptObject(first.bytes, masterKey, 3));
    await folder.write(`s/${at(uuid1)}`, encryptObject(zlibWithSize(second.bytes), masterKey, 3));
    await folder.write(`s/${uuid2}.dcm`, third.bytes);
    await folder.write(`s/${uuid3}.dcm.head.enc`, encryptObject(untilPixelData(first.bytes), masterKey, 3));
    await folder.write(`s/${uuid4}.unk`, third.bytes);
  });

  test('opens with the master key, compressed or not', async () => {
    const masterKeys = await readMasterKeys([`3:${join(folder.path, 'keys/master.key')}`]);
    const { target, summary: sum } = await importFolder(folder, { masterKeys });
    expect([...target.instances.keys()].sort()).toEqual([first.id, second.id, third.id].sort());
    expect(Buffer.from(target.instances.get(second.id) ?? []).equals(second.bytes)).toBe(true);
    expect(sum.counts.refused).toBe(0);
    expect(sum.notDicom.get('dicom-until-pixel-data')).toBe(1);
    expect(sum.notDicom.get('user attachment')).toBe(1);
  });

  test.each([
    ['wrong', '3:keys/other.key', /does not open with this master key/],
    ['of another id', '4:keys/master.key', /master key 3, which was not given/],
  ])('says clearly that a key is %s', async (_, key, reason) => {
    const [id, path] = key.split(':');
    const masterKeys = await readMasterKeys([`${id}:${join(folder.path, path ?? '')}`]);
    const { lines, target } = await importFolder(folder, { masterKeys });
    expect([...target.instances.keys()]).toEqual([third.id]);
    expect(lines.get(`s/${uuid0}.dcm.enc`)?.reason).toMatch(reason);
  });

  test('asks for the key', async () => {
    expect((await importFolder(folder)).lines.get(`s/${uuid0}.dcm.enc`)).toMatchObject({ advice: 'give-master-key' });
  });

  test('finds a cut object damaged', async () => {
    await folder.write(`s/${uuid0}.dcm.enc`, encryptObject(first.bytes, masterKey, 1).subarray(0, -1));
    const masterKeys = await readMasterKeys([join(folder.path, 'keys/master.key')]);
    expect((await importFolder(folder, { masterKeys })).lines.get(`s/${uuid0}.dcm.enc`)?.outcome).toBe('refused');
  });

  test('refuses a file that is no key', async () => {
    await folder.write('keys/short.key', Buffer.from('abc'));
    await expect(readMasterKeys([join(folder.path, 'keys/short.key')])).rejects.toMatchObject({
      code: 'configuration',
    });
  });
});

describe.each([3, 4, 5, 6])('a storage with an index of schema %i', (schema) => {
  const patient = orthancIdOf('p');
  const study = orthancIdOf('p', 's');

  async function storage(): Promise<StorageIndex> {
    await folder.write(at(uuid0), first.bytes);
    await folder.write(at(uuid1), zlibWithSize(untilPixelData(first.bytes)));
    await folder.write(at(uuid2), summary);
    await folder.write(at(uuid3), third.bytes);
    makeIndex(join(folder.path, 'index'), schema, {
      resources: [
        { level: 1, id: patient, isProtected: true },
        { level: 2, id: study, metadata: { 7: 'system', 1024: 'user' }, labels: ['urgent'] },
        { level: 3, id: orthancIdOf('p', 's', 'e') },
        { level: 4, id: first.id, parent: 3 },
        { level: 4, id: second.id, parent: 3 },
      ],
      files: [
        { id: first.id, uuid: uuid0, type: 1, sizeBytes: first.sizeBytes, md5: first.md5 },
        { id: first.id, uuid: uuid1, type: 3, sizeBytes: 100, md5: md5Of(untilPixelData(first.bytes)) },
        { id: first.id, uuid: uuid2, type: 2, sizeBytes: summary.length, md5: md5Of(summary) },
        { id: study, uuid: uuid3, type: 1030, sizeBytes: third.sizeBytes, md5: third.md5 },
        { id: second.id, uuid: uuid4, type: 1, sizeBytes: second.sizeBytes, md5: second.md5 },
      ],
    });
    return StorageIndex.open(join(folder.path, 'index'));
  }

  test('imports what the index calls instances, and names what is missing', async () => {
    const index = await storage();
    const { target, lines, summary: sum } = await importFolder(folder, { index });
    await index.close();
    expect([...target.instances.keys()]).toEqual([first.id]);
    expect(sum.notDicom).toEqual(
      new Map([
        ['dicom-until-pixel-data', 1],
        ['json-summary', 1],
        ['user attachment', 1],
        ['SQLite database', 1],
      ]),
    );
    expect(sum.counts).toMatchObject({ stored: 1, refused: 1 });
    expect([...lines.values()].find(({ outcome }) => outcome === 'refused')?.reason).toMatch(/file is missing/);
  });

  test('gives the sidecars of its resources', async () => {
    const index = await storage();
    const found = index.studies(async ({ uuid }) => (uuid === uuid3 ? third.md5 : undefined));
    const [patients, studies] = [await Array.fromAsync(found.patients()), await Array.fromAsync(found.studies())];
    await index.close();
    expect(patients).toMatchObject([{ id: patient, protected: true }]);
    expect(studies).toMatchObject([
      {
        id: study,
        patientId: patient,
        labels: schema === 6 ? ['urgent'] : [],
        metadata: { 1024: 'user' },
        systemMetadata: { LastUpdate: 'system' },
        attachments: { 1030: { md5: third.md5, sizeBytes: third.sizeBytes } },
        series: [
          {
            instances: expect.arrayContaining([
              expect.objectContaining({
                id: first.id,
                md5: schema === 3 ? null : first.md5,
                sizeBytes: first.sizeBytes,
              }),
              expect.objectContaining({ id: second.id }),
            ]),
          },
        ],
      },
    ]);
  });

  const finds = schema === 3 ? 'cannot find' : 'finds';
  test(`${finds} a bit that flipped in the pixels by the hash of the index`, async () => {
    const index = await storage();
    const flipped = Buffer.from(first.bytes);
    flipped.writeUInt8(flipped.readUInt8(flipped.length - 1) ^ 1, flipped.length - 1);
    await folder.write(at(uuid0), flipped);
    const { lines } = await importFolder(folder, { index });
    await index.close();
    // Version 3 keeps no hashes.
    const refused = { outcome: 'refused', reason: expect.stringContaining(first.md5) };
    expect(lines.get(at(uuid0))).toMatchObject(schema === 3 ? { outcome: 'stored' } : refused);
  });
});

describe('the copy of an index', () => {
  test('has what is only in the write-ahead log', async () => {
    const path = join(folder.path, 'index');
    makeIndex(path, 6, { resources: [{ level: 4, id: first.id }], files: [] });
    const live = new DatabaseSync(path);
    live.exec('PRAGMA journal_mode = WAL');
    live.exec(`INSERT INTO AttachedFiles(id, fileType, uuid, compressedSize, uncompressedSize, compressionType)
      VALUES (1, 1, '${uuid0}', 1, 1, 1)`);
    const index = await StorageIndex.open(path);
    expect(index.fileOf(uuid0)?.resource).toBe(first.id);
    await index.close();
    live.close();
  });

  test('has nothing of a transaction that was never finished', async () => {
    const path = join(folder.path, 'index');
    const resources = [{ level: 4, id: first.id }];
    const files = [{ id: first.id, uuid: uuid0, type: 1, sizeBytes: 1, md5: first.md5 }];
    makeIndex(join(folder.path, 'written'), 6, { resources, files });
    interruptTransaction(join(folder.path, 'written'), path, "UPDATE AttachedFiles SET uuid = 'torn'");
    const index = await StorageIndex.open(path);
    expect(index.fileOf('torn')).toBeUndefined();
    expect(index.fileOf(uuid0)?.resource).toBe(first.id);
    expect([...index.instanceFiles()]).toHaveLength(1);
    await index.close();
  });

  test.each([2, 7])('of schema %i is refused', async (schema) => {
    makeIndex(join(folder.path, 'index'), schema, { resources: [], files: [] });
    await expect(StorageIndex.open(join(folder.path, 'index'))).rejects.toMatchObject({ code: 'configuration' });
  });

  test('that is no database is refused', async () => {
    await folder.write('index', randomBytes(5000));
    await expect(StorageIndex.open(join(folder.path, 'index'))).rejects.toMatchObject({ code: 'answer-malformed' });
  });
});
