/** Storage folders that real Orthanc servers left behind, imported with and without their index. */
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';
import { StorageIndex } from '../../core/orthanc-disk/index/storage-index.ts';
import { type GeneratedInstance, generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { orthancVersions } from '../../local/orthanc-versions.ts';
import { uploadAll } from '../../local/upload.ts';
import { type ImportResult, importFolder } from '../support/import/import-setup.ts';

const instances = Array.from({ length: 24 }, (_, n) =>
  generateInstance(placeOfNth('storage', n), 2048 + 2 * n * n * 100),
);
const labelledSince = [1, 12, 0];

function supportsLabels(version: string): boolean {
  const parts = version.split('.').map(Number);
  const position = labelledSince.findIndex((each, n) => each !== parts[n]);
  return position === -1 || (parts[position] ?? 0) > (labelledSince[position] ?? 0);
}

async function put(server: OrthancServer, path: string, body: string): Promise<void> {
  const response = await fetch(`${server.url}${path}`, { method: 'PUT', body });
  expect(response.status, path).toBe(200);
}

async function upload(server: OrthancServer, some: readonly GeneratedInstance[]): Promise<void> {
  await uploadAll(
    `${server.url}/`,
    some.map(({ bytes, sizeBytes }) => ({ sizeBytes, body: () => bytes })),
    4,
  );
}

/** The files of a storage, without index and journal. */
async function storageFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((each) => each.isFile() && each.name.length === 36)
    .map((each) => join(each.parentPath, each.name));
}

function expectAll({ target }: ImportResult, expected: readonly GeneratedInstance[]): void {
  const held = [...target.instances].map(([id, bytes]) => `${id} ${md5Of(bytes)}`).sort();
  expect(held).toEqual(expected.map(({ id, md5 }) => `${id} ${md5}`).sort());
}

describe.each(orthancVersions().map(({ version }) => version))('a storage of Orthanc %s', (version) => {
  describe.each(['plain', 'compressed', 'switched halfway'])('%s', (kind) => {
    let folder: string;
    let storage: string;
    let attachmentOwner: string;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'import-storage-'));
      const half = instances.length / 2;
      const first = await startOrthanc({ version, folder, config: { StorageCompression: kind === 'compressed' } });
      try {
        storage = first.storageFolder;
        await upload(first, instances.slice(0, half));
      } finally {
        await first.stop();
      }
      const second = await startOrthanc({ version, folder, config: { StorageCompression: kind !== 'plain' } });
      try {
        await upload(second, instances.slice(half));
        attachmentOwner = await document(second);
      } finally {
        await second.stop();
      }
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    async function document(server: OrthancServer): Promise<string> {
      const list = async (level: string): Promise<string> => {
        const ids: unknown = await (await fetch(`${server.url}/${level}`)).json();
        return Array.isArray(ids) ? String(ids[0]) : '';
      };
      const [patient, study] = [await list('patients'), await list('studies')];
      await put(server, `/patients/${patient}/protected`, '1');
      await put(server, `/studies/${study}/metadata/1030`, 'checked');
      await put(server, `/studies/${study}/attachments/1031`, 'a report');
      if (supportsLabels(version)) await put(server, `/studies/${study}/labels/urgent`, '');
      return study;
    }

    async function withCopy(act: (copy: string) => Promise<void>): Promise<void> {
      const copy = await mkdtemp(join(tmpdir(), 'import-copy-'));
      try {
        await cp(storage, copy, { recursive: true });
        await act(copy);
      } finally {
        await rm(copy, { recursive: true, force: true });
      }
    }

    async function importStorage(path: string, withIndex: boolean): Promise<ImportResult> {
      const index = withIndex ? await StorageIndex.open(join(path, 'index')) : undefined;
      try {
        return await importFolder({ path, write: async () => undefined, remove: async () => undefined }, { index });
      } finally {
        await index?.close();
      }
    }

    test('gives every instance with its index', async () => {
      const result = await importStorage(storage, true);
      expectAll(result, instances);
      expect(result.summary.counts).toMatchObject({ stored: instances.length, refused: 0, failed: 0 });
      expect(result.summary.notDicom.get('user attachment')).toBe(1);
      const headers = { plain: 0, compressed: instances.length, 'switched halfway': instances.length / 2 }[kind] ?? -1;
      expect(result.summary.notDicom.get('dicom-until-pixel-data') ?? 0).toBe(headers);
    });

    test('gives every instance without its index', () =>
      withCopy(async (copy) => {
        for (const name of await readdir(copy)) {
          if (name.startsWith('index')) await rm(join(copy, name));
        }
        const result = await importStorage(copy, false);
        expectAll(result, instances);
        expect([...result.lines.values()].filter(({ outcome }) => outcome === 'refused')).toEqual([]);
        expect(result.summary.counts).toMatchObject({ stored: instances.length, failed: 0 });
      }));

    test('gives labels, metadata, attachments and protection', async () => {
      const index = await StorageIndex.open(join(storage, 'index'));
      const found = index.studies(async () => undefined);
      const studies = await Array.fromAsync(found.studies());
      const patients = await Array.fromAsync(found.patients());
      await index.close();
      const study = studies.find(({ id }) => id === attachmentOwner);
      expect(study?.metadata).toEqual({ 1030: 'checked' });
      expect(study?.attachments).toEqual({ 1031: { md5: md5Of(Buffer.from('a report')), sizeBytes: 8 } });
      expect(study?.labels).toEqual(supportsLabels(version) ? ['urgent'] : []);
      expect(patients.filter((patient) => patient.protected)).toHaveLength(1);
      const held = studies.flatMap(({ series }) => series.flatMap((each) => each.instances));
      expect(held.map(({ id, md5 }) => `${id} ${md5}`).sort()).toEqual(
        instances.map(({ id, md5 }) => `${id} ${md5}`).sort(),
      );
      expect(held.every(({ systemMetadata }) => systemMetadata.ReceptionDate !== undefined)).toBe(true);
    });

    test.each([true, false])('names every file that is cut, zeroed or missing (index: %s)', (withIndex) =>
      withCopy(async (copy) => {
        const files = await storageFiles(copy);
        const bad = (await largest(files)).slice(0, 4);
        const [cut = '', zeroed = '', tailZeroed = '', missing = ''] = bad;
        await writeFile(cut, (await readFile(cut)).subarray(0, -100));
        await writeFile(zeroed, Buffer.alloc((await stat(zeroed)).size));
        const bytes = await readFile(tailZeroed);
        await writeFile(tailZeroed, bytes.fill(0, 600));
        if (withIndex) await rm(missing);
        const result = await importStorage(copy, withIndex);
        const refused = [...result.lines.values()].filter(({ outcome }) => outcome === 'refused');
        // The header beside a lost file is lost too: without an index nothing tells that it is one.
        const damaged = refused.filter(({ reason }) => !/no pixel data/.test(reason ?? ''));
        const expected = [cut, zeroed, tailZeroed, ...(withIndex ? [missing] : [])];
        expect(damaged.map(({ path }) => path.slice(-36)).sort()).toEqual(
          expected.map((path) => path.slice(-36)).sort(),
        );
        expect(refused.length - damaged.length).toBeLessThanOrEqual(withIndex ? 0 : 3);
        expect(result.target.instances.size).toBe(instances.length - expected.length);
      }),
    );

    async function largest(files: readonly string[]): Promise<string[]> {
      const sized = await Promise.all(files.map(async (path) => ({ path, sizeBytes: (await stat(path)).size })));
      return sized.sort((a, b) => b.sizeBytes - a.sizeBytes).map(({ path }) => path);
    }
  });
});
