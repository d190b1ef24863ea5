import { createHash, randomBytes } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AuditOptions, audit, instancesToRepair } from '../../core/host/audit/audit.ts';
import type { AuditFinding } from '../../core/host/audit/audit-finding.ts';
import { deleteQuarantined, quarantine, undoQuarantine } from '../../core/host/audit/quarantine.ts';
import { md5Of, orthancIdOf } from '../../core/identifiers.ts';
import { openSqliteIndex } from '../../core/orthanc-disk/index/sqlite-index.ts';
import { FolderStorage } from '../../core/orthanc-disk/storage/folder-storage.ts';
import type { StoredFile } from '../../core/orthanc-disk/storage/storage-area.ts';
import { oneFolder } from '../../core/orthanc-disk/storage/storage-folders.ts';
import { storagePath } from '../../core/orthanc-disk/storage/storage-names.ts';
import { type FileRow, makeIndexFile, newUuid } from '../support/index-files.ts';

const options: AuditOptions = { readBytes: true, marginMs: 3_600_000 };
let root: string;
let storage: string;
let quarantineFolder: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'audit-'));
  storage = join(root, 'storage');
  quarantineFolder = join(root, 'quarantine');
  mkdirSync(storage);
});
afterEach(() => rmSync(root, { recursive: true }));

function store(bytes = randomBytes(1000)): FileRow {
  const uuid = newUuid();
  const path = pathOf(uuid);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return { uuid, sizeBytes: bytes.length, md5: md5Of(bytes) };
}

function pathOf(uuid: string): string {
  return join(storage, storagePath(uuid));
}

async function auditNow(rows: readonly FileRow[], changed: Partial<AuditOptions> = {}) {
  const index = join(root, `index-${newUuid()}`);
  makeIndexFile(index, 6, rows);
  const area = await FolderStorage.open(oneFolder(storage));
  try {
    return await audit(() => openSqliteIndex(index), area, { ...options, ...changed });
  } finally {
    await area.close();
  }
}

function told(findings: readonly AuditFinding[]): string[] {
  return findings
    .map((finding) => `${finding.kind} ${'file' in finding ? finding.file.uuid : finding.stored.uuid}`)
    .sort();
}

function orphans(findings: readonly AuditFinding[]): StoredFile[] {
  return findings.flatMap((finding) => (finding.kind === 'orphan' ? [finding.stored] : []));
}

/** Every file below a folder with its hash. */
function fingerprint(folder: string): string {
  const hash = createHash('sha256');
  for (const { uuid } of allFiles) hash.update(uuid).update(readFileSync(join(folder, storagePath(uuid))));
  return hash.digest('hex');
}
let allFiles: readonly FileRow[] = [];

describe('an audit of 1,000 files', () => {
  it('names exactly the 120 that were deleted, added, cut or had a bit flipped', async () => {
    const rows = Array.from({ length: 1000 }, () => store());
    const expected: string[] = [];
    rows.slice(0, 30).forEach(({ uuid }) => {
      unlinkSync(pathOf(uuid));
      expected.push(`missing ${uuid}`);
    });
    rows.slice(30, 60).forEach(({ uuid }, index) => {
      truncateSync(pathOf(uuid), index * 30);
      expected.push(`wrong-size ${uuid}`);
    });
    rows.slice(60, 90).forEach(({ uuid }, index) => {
      const bytes = readFileSync(pathOf(uuid));
      bytes.writeUInt8(bytes.readUInt8(index * 30) ^ (1 << (index % 8)), index * 30);
      writeFileSync(pathOf(uuid), bytes);
      expected.push(`wrong-hash ${uuid}`);
    });
    for (let count = 0; count < 30; count += 1) expected.push(`orphan ${store().uuid}`);
    const { findings, counts } = await auditNow(rows);
    expect(told(findings)).toEqual(expected.sort());
    expect(counts).toEqual({ rows: 1000, good: 910, unhashed: 0, young: 0, pendingDeletion: 0 });
    expect(new Set(instancesToRepair(findings))).toEqual(
      new Set(rows.slice(0, 90).map(({ uuid }) => orthancIdOf(uuid))),
    );
  });
});

describe('an audit', () => {
  it('finds nothing in a storage that is whole', async () => {
    const { findings } = await auditNow([store(), store(randomBytes(0)), store(randomBytes(3_000_000))]);
    expect(findings).toEqual([]);
  });

  it('judges what cannot be hashed by its size, and says so', async () => {
    const row = store();
    const { findings, counts } = await auditNow([{ uuid: row.uuid, sizeBytes: row.sizeBytes }]);
    expect(findings).toEqual([]);
    expect(counts.unhashed).toBe(1);
  });

  it('leaves alone what a plugin is about to delete', async () => {
    const { uuid } = store();
    const { findings, counts } = await auditNow([], { pendingDeletions: new Set([uuid]) });
    expect(findings).toEqual([]);
    expect(counts.pendingDeletion).toBe(1);
  });

  it('looks where a plugin put a file', async () => {
    const bytes = randomBytes(100);
    writeFileSync(join(storage, 'elsewhere.dcm'), bytes);
    const custom = (path: string): FileRow => ({
      uuid: newUuid(),
      sizeBytes: 100,
      md5: md5Of(bytes),
      customData: JSON.stringify({ v: 1, o: false, p: path }),
    });
    const lost = custom('lost.dcm');
    const { findings, counts } = await auditNow([
      custom('elsewhere.dcm'),
      custom(join(storage, 'elsewhere.dcm')),
      lost,
    ]);
    expect(told(findings)).toEqual([`missing ${lost.uuid}`]);
    expect(counts.good).toBe(2);
  });

  it('ignores what is no file of Orthanc', async () => {
    writeFileSync(join(storage, 'index-copy'), 'x');
    mkdirSync(join(storage, 'ab', 'cd'), { recursive: true });
    writeFileSync(join(storage, 'ab', 'cd', newUuid().replace(/^..../, 'ffff')), 'not in its own folder');
    expect((await auditNow([])).findings).toEqual([]);
  });

  it('does not touch the folder of the index', async () => {
    const row = store();
    const index = join(root, 'index');
    makeIndexFile(index, 6, [row]);
    const before = statSync(index).mtimeMs;
    const area = await FolderStorage.open(oneFolder(storage));
    await audit(() => openSqliteIndex(index), area, options);
    await area.close();
    expect(statSync(index).mtimeMs).toBe(before);
    expect(() => statSync(`${index}-wal`)).toThrow(/ENOENT/);
  });

  it('tells a wrong path and a file that is no index', async () => {
    await expect(FolderStorage.open(oneFolder(join(root, 'nowhere')))).rejects.toMatchObject({ code: 'configuration' });
    await expect(openSqliteIndex(join(root, 'nowhere'))).rejects.toMatchObject({ code: 'configuration' });
    writeFileSync(join(root, 'text'), 'no database');
    await expect(openSqliteIndex(join(root, 'text'))).rejects.toMatchObject({ code: 'answer-malformed' });
  });
});

describe('a quarantine', () => {
  it('takes the orphans out of the storage, and undoing it leaves the folder identical', async () => {
    const rows = [store(), store()];
    allFiles = [...rows, store(), store(), store()];
    const before = fingerprint(storage);
    const { findings } = await auditNow(rows);
    expect(await quarantine(orphans(findings), quarantineFolder)).toBe(3);
    expect((await auditNow(rows)).findings).toEqual([]);
    expect(await undoQuarantine(quarantineFolder)).toBe(3);
    expect(fingerprint(storage)).toBe(before);
    expect(await undoQuarantine(quarantineFolder)).toBe(0);
  });

  it('never overwrites a file that came back', async () => {
    const { uuid } = store();
    const { findings } = await auditNow([]);
    await quarantine(orphans(findings), quarantineFolder);
    writeFileSync(pathOf(uuid), 'new');
    await expect(undoQuarantine(quarantineFolder)).rejects.toMatchObject({ code: 'conflict' });
    expect(readFileSync(pathOf(uuid), 'utf8')).toBe('new');
  });

  it('deletes only what has been there for long enough', async () => {
    store();
    const { findings } = await auditNow([]);
    await quarantine(orphans(findings), quarantineFolder);
    const day = 86_400_000;
    expect(await deleteQuarantined(quarantineFolder, day)).toBe(0);
    expect(await deleteQuarantined(quarantineFolder, day, Date.now() + 2 * day)).toBe(1);
    expect(await undoQuarantine(quarantineFolder)).toBe(0);
  });
});
