import { cp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { newOrthanc } from '../../local/orthanc-versions.ts';
import { runCommand } from '../support/command.ts';
import { fill } from '../support/orthanc-load.ts';
import {
  type PostgresqlServer,
  postgresqlIndexPluginOf,
  postgresqlSection,
  startPostgresql,
} from '../support/postgresql.ts';
import { proveReadable } from '../support/server-proof.ts';
import { folderForTest } from './support/scene.ts';

const levels = ['patients', 'studies', 'series', 'instances'] as const;
type Level = (typeof levels)[number];
const ids = z.array(z.string());
const finding = z.object({ type: z.literal('difference'), kind: z.string(), uuid: z.string() });

async function postgresqlForTest(): Promise<PostgresqlServer> {
  const postgresql = await startPostgresql();
  onTestFinished(() => postgresql.stop());
  return postgresql;
}

async function orthancOn(postgresql: PostgresqlServer, database: string, folder: string): Promise<OrthancServer> {
  const program = newOrthanc();
  const server = await startOrthanc({
    ...program,
    folder,
    plugins: [postgresqlIndexPluginOf(program)],
    // The server must not answer from memory what its disk lacks.
    config: { PostgreSQL: postgresqlSection(postgresql, database), MaximumStorageCacheSize: 0 },
  });
  onTestFinished(() => server.stop());
  return server;
}

async function rest(server: OrthancServer, method: string, path: string, body?: string): Promise<string> {
  const answer = await fetch(new URL(path, server.url), { method, ...(body === undefined ? {} : { body }) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
  return answer.text();
}

async function read<T>(server: OrthancServer, path: string, shape: z.ZodType<T>): Promise<T> {
  return shape.parse(JSON.parse(await rest(server, 'GET', path)));
}

/** Attaches a label and metadata to every resource, each with a value of its own. */
async function attachToAll(server: OrthancServer): Promise<void> {
  for (const level of levels) {
    for (const id of await read(server, level, ids)) {
      await rest(server, 'PUT', `${level}/${id}/labels/seen-${id.slice(0, 8)}`);
      await rest(server, 'PUT', `${level}/${id}/metadata/1100`, `note on ${id}`);
    }
  }
}

/** What users attached to every resource, and the hash of every instance. */
async function attachedTo(server: OrthancServer): Promise<unknown> {
  const attached = async (level: Level, id: string) => ({
    labels: await read(server, `${level}/${id}/labels`, ids),
    note: await rest(server, 'GET', `${level}/${id}/metadata/1100`),
    md5: level === 'instances' ? await rest(server, 'GET', `instances/${id}/attachments/dicom/md5`) : undefined,
  });
  const found: Record<string, unknown> = {};
  for (const level of levels) {
    for (const id of (await read(server, level, ids)).toSorted()) found[`${level}/${id}`] = await attached(level, id);
  }
  return found;
}

/** The uuids of all files of instances, as the database says. */
async function filesOf(
  postgresql: PostgresqlServer,
  database: string,
  instances: readonly string[],
): Promise<readonly string[]> {
  const list = instances.map((id) => `'${id}'`).join(', ');
  const rows = await postgresql.query(
    database,
    `SELECT uuid FROM AttachedFiles JOIN Resources ON internalId = id WHERE publicId IN (${list})`,
  );
  return z
    .array(z.object({ uuid: z.string() }))
    .parse(rows)
    .map(({ uuid }) => uuid);
}

async function auditOf(server: OrthancServer) {
  const { exitCode, stdout } = await runCommand(['audit', '--config', server.configPath, '--margin', '0', '--json']);
  const lines = stdout.trim().split('\n');
  const findings = lines.filter((line) => line.includes('"difference"')).map((line) => finding.parse(JSON.parse(line)));
  const uuidsOf = (kind: string) => findings.filter((one) => one.kind === kind).map(({ uuid }) => uuid);
  return { exitCode, count: findings.length, missing: uuidsOf('missing'), orphans: uuidsOf('orphan') };
}

test('a database and files of different moments: the audit names exactly the skew, and the repair repairs it', async () => {
  const [postgresql, root] = await Promise.all([postgresqlForTest(), folderForTest()]);
  await postgresql.createDatabase('orthanc');
  const archive = join(root, 'archive');
  const early = join(root, 'early');
  const restored = join(root, 'restored');
  const original = await orthancOn(postgresql, 'orthanc', join(root, 'original'));

  // The files are copied at one time …
  const before = await fill(original.url, 'before', 60);
  await cp(original.storageFolder, early, { recursive: true });
  const deleted = before.slice(0, 5);
  const orphaned = await filesOf(postgresql, 'orthanc', deleted);
  for (const id of deleted) await rest(original, 'DELETE', `instances/${id}`);
  // … and the database later: with instances of a study of their own, and of one that is there.
  const added = [...(await fill(original.url, 'after', 6)), ...(await fill(original.url, 'before', 64, 20_000, 60))];
  await attachToAll(original);
  expect((await runCommand(['run', original.url, '--archive', archive])).exitCode).toBe(0);
  const passphrase = join(root, 'passphrase');
  await writeFile(passphrase, 'correct horse battery staple\n', { mode: 0o600 });
  const proven = ['--archive', archive, '--passphrase-file', passphrase];
  const backup = ['--config', original.configPath, ...proven, '--omit-configuration'];
  expect((await runCommand(['backup', ...backup])).exitCode).toBe(0);
  const lost = await filesOf(postgresql, 'orthanc', added);
  const expected = await attachedTo(original);

  await postgresql.createDatabase('restored');
  const places = ['--to', restored, '--database', postgresql.url('restored')];
  const restoring = await runCommand(['backup', 'restore', ...proven, ...places]);
  expect(restoring.exitCode, restoring.stderr).toBe(0);
  await rm(join(restored, 'storage'), { recursive: true });
  await cp(early, join(restored, 'storage'), { recursive: true });
  const copy = await orthancOn(postgresql, 'restored', restored);

  const found = await auditOf(copy);
  expect(found).toMatchObject({ exitCode: 4, count: lost.length + orphaned.length });
  expect(found.missing.toSorted()).toEqual(lost.toSorted());
  expect(found.orphans.toSorted()).toEqual(orphaned.toSorted());
  expect([lost.length, orphaned.length]).toEqual([10, 5]);

  const quarantine = join(root, 'quarantine');
  const repair = ['--archive', archive, '--repair', '--to', copy.url, '--quarantine', quarantine];
  const repaired = await runCommand(['audit', '--config', copy.configPath, '--margin', '0', ...repair]);
  expect(repaired.exitCode, repaired.stdout + repaired.stderr).toBe(0);
  expect(repaired.stdout.match(/^repaired {2}/gm)).toHaveLength(added.length);

  expect(await auditOf(copy)).toEqual({ exitCode: 0, count: 0, missing: [], orphans: [] });
  expect(await proveReadable(copy.url)).toEqual(await proveReadable(original.url));
  expect(await attachedTo(copy)).toEqual(expected);
  const held = await readdir(quarantine, { recursive: true });
  expect(orphaned.filter((uuid) => held.some((name) => name.endsWith(uuid)))).toEqual(orphaned);
});
