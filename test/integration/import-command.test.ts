/** The command `import` with real servers, as a user runs it. */
import { randomBytes } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { element } from '../../core/dicom/encode.ts';
import { md5Of } from '../../core/identifiers.ts';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { openOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import { generateInstance, writeFolder } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type OrthancServer, type StartOrthancOptions, startOrthanc } from '../../local/orthanc-server.ts';
import { orthancVersions } from '../../local/orthanc-versions.ts';
import { startS3 } from '../../local/s3/start-s3.ts';
import { uploadAll } from '../../local/upload.ts';
import { runAsNobody } from '../support/as-nobody.ts';
import { runCommand, startCommand } from '../support/command.ts';
import { encryptObject, zlibWithSize } from '../support/import/archives.ts';

const [oldest = '', newest = oldest] = [orthancVersions()[0]?.version, orthancVersions().at(-1)?.version];
const instances = Array.from({ length: 20 }, (_, n) => generateInstance(placeOfNth('command', n), 4096 + n * 500));
const summarySchema = z.looseObject({
  stored: z.number(),
  alreadyThere: z.number(),
  refused: z.number(),
  exitCode: z.number(),
});

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'import-command-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

async function server(options?: StartOrthancOptions): Promise<OrthancServer> {
  const started = await startOrthanc(options);
  onTestFinished(() => started.stop());
  return started;
}

/** What a server holds, one line each. */
async function heldBy({ url }: OrthancServer): Promise<string[]> {
  const store = openOrthancStore({ url });
  try {
    const entries = await Array.fromAsync(store.inventory());
    return await Promise.all(entries.map(async ({ id, md5 }) => `${id} ${md5 ?? (await store.lookup(id))[0]?.md5}`));
  } finally {
    await store.close();
  }
}

const expected = (some = instances) => some.map(({ id, md5 }) => `${id} ${md5}`).sort();

async function importJson(...args: string[]) {
  const { stdout, stderr, exitCode } = await runCommand(['import', ...args, '--json']);
  const lines = stdout.trim().split('\n');
  return { exitCode, stderr, lines, summary: summarySchema.parse(JSON.parse(lines.at(-1) ?? '{}')) };
}

describe('import', () => {
  test('rebuilds a server of another version, and an archive, from the storage of a compressed one', async () => {
    const source = await server({
      version: oldest,
      folder: join(folder, 'source'),
      config: { StorageCompression: true },
    });
    await uploadAll(
      `${source.url}/`,
      instances.map(({ bytes, sizeBytes }) => ({ sizeBytes, body: () => bytes })),
      4,
    );
    const [patient, study, instance] = await Promise.all(
      ['patients', 'studies', 'instances'].map(
        async (level) => z.array(z.string()).parse(await (await fetch(`${source.url}/${level}`)).json())[0],
      ),
    );
    const paths: Record<string, string> = {
      [`/patients/${patient}/protected`]: '1',
      [`/studies/${study}/metadata/1030`]: 'chécked',
      [`/studies/${study}/attachments/1031`]: 'a report',
      [`/instances/${instance}/metadata/1032`]: 'marked',
    };
    for (const [path, body] of Object.entries(paths)) await fetch(`${source.url}${path}`, { method: 'PUT', body });
    await source.stop();

    const target = await server({ version: newest });
    const report = join(folder, 'report.jsonl');
    const args = [source.storageFolder, '--to', target.url, '--archive', join(folder, 'archive'), '--report', report];
    const first = await importJson(...args);
    expect(first).toMatchObject({ exitCode: 0, summary: { stored: instances.length, refused: 0 } });
    expect((await heldBy(target)).sort()).toEqual(expected());
    expect(await (await fetch(`${target.url}/patients/${patient}/protected`)).text()).toBe('1');
    expect(await (await fetch(`${target.url}/studies/${study}/metadata/1030`)).text()).toBe('chécked');
    expect(await (await fetch(`${target.url}/studies/${study}/attachments/1031/data`)).text()).toBe('a report');
    expect(await (await fetch(`${target.url}/instances/${instance}/metadata/1032`)).text()).toBe('marked');
    const archive = await openArchive(new FolderObjects(join(folder, 'archive')));
    const archived = await Array.fromAsync(archive.inventory());
    const sidecars = await Array.fromAsync(archive.objects.list('studies/'));
    await archive.close();
    expect(archived.map(({ id, md5 }) => `${id} ${md5}`)).toEqual(expected());
    expect(sidecars.length).toBeGreaterThan(0);
    const lines = (await readFile(report, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ outcome }) => outcome === 'stored')).toHaveLength(instances.length);
    expect((await stat(report)).mode & 0o077).toBe(0);

    const again = await importJson(...args);
    expect(again).toMatchObject({
      exitCode: 0,
      summary: { stored: 0, alreadyThere: instances.length, sidecars: { written: 0 } },
    });
  });

  test('tells by its exit code that files were refused, and names them', async () => {
    const target = await server();
    await writeFolder(join(folder, 'in'), instances);
    await writeFile(
      join(folder, 'in', 'cut.dcm'),
      generateInstance(placeOfNth('cut', 0), 9000).bytes.subarray(0, 8000),
    );
    await writeFile(join(folder, 'in', 'notes.txt'), 'notes');
    const { exitCode, stdout } = await runCommand(['import', join(folder, 'in'), '--to', target.url]);
    expect(exitCode).toBe(3);
    expect(stdout).toMatch(/refused {2}".*cut\.dcm" {2}it ends amid an element/);
    expect(stdout).toMatch(/stored 20 .* not DICOM 1, refused 1, failed 0/);
    expect((await heldBy(target)).sort()).toEqual(expected());
  });

  test('goes on where it was killed', async () => {
    const target = await server();
    const many = Array.from({ length: 400 }, (_, n) => generateInstance(placeOfNth('kill', n), 4096));
    await writeFolder(join(folder, 'in'), many);
    for (const afterMs of [350, 500, 700]) {
      const running = startCommand([
        'import',
        join(folder, 'in'),
        '--to',
        target.url,
        '--archive',
        join(folder, 'archive'),
      ]);
      const timer = setTimeout(() => running.process.kill('SIGKILL'), afterMs);
      await running.result;
      clearTimeout(timer);
    }
    const last = await importJson(join(folder, 'in'), '--to', target.url, '--archive', join(folder, 'archive'));
    expect(last.exitCode).toBe(0);
    expect(last.summary.stored + last.summary.alreadyThere).toBe(many.length);
    expect((await heldBy(target)).sort()).toEqual(expected(many));
  });

  test('fails with its own exit code when the server is away, and when there is nowhere to go', async () => {
    await writeFolder(join(folder, 'in'), instances);
    expect((await runCommand(['import', join(folder, 'in'), '--to', 'http://127.0.0.1:9'])).exitCode).toBe(7);
    expect((await runCommand(['import', join(folder, 'in')])).exitCode).toBe(2);
    expect((await runCommand(['import', join(folder, 'nothing'), '--archive', join(folder, 'a')])).exitCode).toBe(2);
  });

  test('reads the PatientID as the server does', async () => {
    const bytes = Buffer.from(generateInstance(placeOfNth('encoding', 0), 4096).bytes);
    const id = bytes.indexOf(element(0x10, 0x20, 'LO', '').subarray(0, 6)) + 8;
    bytes.set(Buffer.from('b1b2b3b4', 'hex'), id);
    await mkdir(join(folder, 'in'));
    await writeFile(join(folder, 'in/one.dcm'), bytes);
    for (const DefaultEncoding of ['Latin1', 'Cyrillic', 'Utf8', 'Ascii']) {
      const target = await server({ config: { DefaultEncoding } });
      expect(await importJson(join(folder, 'in'), '--to', target.url)).toMatchObject({
        exitCode: 0,
        summary: { stored: 1 },
      });
      expect((await heldBy(target))[0]).toContain(md5Of(bytes));
      // Told wrongly, it finds the id that the server uses.
      await fetch(
        `${target.url}/patients/${z.array(z.string()).parse(await (await fetch(`${target.url}/patients`)).json())[0]}`,
        { method: 'DELETE' },
      );
      const wrong = await importJson(join(folder, 'in'), '--to', target.url, '--default-encoding', 'Thai');
      expect(wrong).toMatchObject({ exitCode: 0, summary: { stored: 1 } });
      const again = await importJson(join(folder, 'in'), '--to', target.url, '--default-encoding', 'Thai');
      expect(again).toMatchObject({ exitCode: 0, summary: { stored: 0, alreadyThere: 1 } });
    }
  });

  test('reads the bucket of an encrypted object storage', async () => {
    const s3 = await startS3({ folder: join(folder, 's3') });
    onTestFinished(() => s3.close());
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
    const client = new S3Client({ endpoint: s3.endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
    onTestFinished(() => client.destroy());
    await client.send(new CreateBucketCommand({ Bucket: 'orthanc' }));
    const key = randomBytes(32);
    await writeFile(join(folder, 'master.key'), key.toString('base64'));
    for (const [n, { bytes }] of instances.entries()) {
      const uuid = `0000000${n % 10}-000${Math.floor(n / 10)}-4000-8000-000000000000`;
      const content = n % 2 === 0 ? bytes : zlibWithSize(bytes);
      const Key = n % 3 === 0 ? `root/${uuid}.dcm.enc` : `root/${uuid.slice(0, 2)}/${uuid.slice(2, 4)}/${uuid}`;
      await client.send(new PutObjectCommand({ Bucket: 'orthanc', Key, Body: encryptObject(content, key, 7) }));
      await client.send(
        new PutObjectCommand({
          Bucket: 'orthanc',
          Key: `root/${uuid}.dcm.head.enc`,
          Body: encryptObject(bytes.subarray(0, 600), key, 7),
        }),
      );
    }
    const environment = { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b', AWS_REGION: 'us-east-1' };
    const args = [
      'import',
      's3://orthanc/root',
      '--source-endpoint',
      s3.endpoint,
      '--archive',
      join(folder, 'archive'),
    ];
    const { exitCode, stdout } = await runCommand(
      [...args, '--master-key', `7:${join(folder, 'master.key')}`],
      environment,
    );
    expect(stdout).toMatch(/stored 20 .* not DICOM 20, refused 0, failed 0/);
    expect(exitCode).toBe(0);
    const without = await runCommand(args, environment);
    expect(without.exitCode).toBe(3);
    expect(without.stdout).toMatch(/--master-key/);
  });

  test('reports what it may not read', async () => {
    await cp(join(import.meta.dirname, '../../package.json'), join(folder, 'in', 'secret', 'x.dcm'));
    await chmod(folder, 0o777);
    await chmod(join(folder, 'in/secret'), 0);
    await writeFile(join(folder, 'in/locked.dcm'), '', { mode: 0 });
    const args = ['import', join(folder, 'in'), '--archive', join(folder, 'archive')];
    const { status, stdout } = runAsNobody('bin/orthanc-mirror', args);
    expect(stdout).toMatch(/in\/secret" {2}folder: no permission/);
    expect(stdout).toMatch(/locked\.dcm" {2}no permission/);
    expect(status).toBe(3);
  });
});
