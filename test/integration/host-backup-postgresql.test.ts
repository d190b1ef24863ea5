import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { runCommand } from '../support/command.ts';
import { fill, type Load, startLoad } from '../support/orthanc-load.ts';
import {
  type PostgresqlServer,
  postgresqlIndexPlugin,
  postgresqlSection,
  startPostgresql,
} from '../support/postgresql.ts';
import { proveReadable } from '../support/server-proof.ts';

const findingRecord = z.object({
  type: z.string(),
  kind: z.string().optional(),
  uuid: z.string().optional(),
  instance: z.string().optional(),
});

let root: string;
let postgresql: PostgresqlServer;
let server: OrthancServer;
let load: Load | undefined;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'host-postgresql-'));
  writeFileSync(join(root, 'passphrase'), 'correct horse battery staple\n');
  postgresql = await startPostgresql();
  await postgresql.createDatabase('orthanc');
  server = await startOn('orthanc');
});
afterEach(async () => {
  await load?.stop();
  load = undefined;
  await server.stop();
  await postgresql.stop();
  rmSync(root, { recursive: true });
});

function startOn(database: string, folder?: string): Promise<OrthancServer> {
  return startOrthanc({
    version: '1.10.1',
    plugins: [postgresqlIndexPlugin],
    config: { PostgreSQL: postgresqlSection(postgresql, database) },
    ...(folder === undefined ? {} : { folder }),
  });
}

const places = () => ['--archive', join(root, 'archive'), '--passphrase-file', join(root, 'passphrase')];

function backUp() {
  return runCommand(['backup', '--config', server.configPath, ...places(), '--json']);
}

function restoreArguments(folder: string, database: string): readonly string[] {
  return ['backup', 'restore', ...places(), '--to', folder, '--database', postgresql.url(database)];
}

async function auditOf(configPath: string, ...options: string[]) {
  const result = await runCommand(['audit', '--config', configPath, '--json', ...options]);
  const findings = result.stdout
    .trim()
    .split('\n')
    .map((line) => findingRecord.parse(JSON.parse(line)))
    .filter(({ type }) => type === 'difference');
  return { ...result, findings };
}

async function rest(url: string, method: string, path: string, body?: string): Promise<string> {
  const answer = await fetch(`${url}${path}`, { method, ...(body === undefined ? {} : { body }) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
  return answer.text();
}

describe('a backup of a server on PostgreSQL under load', () => {
  it('restores into a new database what the manifest says, metadata included', async () => {
    const [first = ''] = await fill(server.url, 'before', 20);
    await rest(server.url, 'PUT', `/instances/${first}/metadata/1024`, 'kept');
    load = startLoad(server.url, { seed: 'load', keep: 10 });
    const result = await backUp();
    expect(result).toMatchObject({ exitCode: 0 });
    await load.stop();
    const { instances } = z.object({ instances: z.number() }).parse(JSON.parse(result.stdout));

    await postgresql.createDatabase('restored');
    const folder = join(root, 'restored');
    const restored = await runCommand(restoreArguments(folder, 'restored'));
    expect(restored).toMatchObject({ exitCode: 0 });
    expect(readFileSync(join(folder, 'configuration', 'orthanc.json'), 'utf8')).toBe(
      readFileSync(server.configPath, 'utf8'),
    );
    const copy = await startOn('restored', folder);
    try {
      expect(await proveReadable(copy.url)).toHaveLength(instances);
      expect(await rest(copy.url, 'GET', `/instances/${first}/metadata/1024`)).toBe('kept');
      expect((await auditOf(copy.configPath, '--margin', '0')).findings).toEqual([]);
    } finally {
      await copy.stop();
    }
  });

  it('refuses to restore into a database that is not empty', async () => {
    await fill(server.url, 'before', 2);
    expect(await backUp()).toMatchObject({ exitCode: 0 });
    const restored = await runCommand([...restoreArguments(join(root, 'restored'), 'orthanc')]);
    expect(restored).toMatchObject({ exitCode: 2 });
    expect(restored.stderr).toMatch(/is not empty/);
  });
});

describe('an audit of a server on PostgreSQL', () => {
  it('finds nothing on a server under load', async () => {
    await fill(server.url, 'before', 30);
    load = startLoad(server.url, { seed: 'load', keep: 10 });
    for (let run = 0; run < 5; run += 1) {
      expect(await auditOf(server.configPath)).toMatchObject({ exitCode: 0, findings: [] });
    }
  });

  it('names exactly what is missing and the orphans when database and files are of different moments', async () => {
    const before = await fill(server.url, 'before', 10);
    await cp(server.storageFolder, join(root, 'early'), { recursive: true });
    const after = await fill(server.url, 'after', 4);
    for (const id of before.slice(0, 3)) await rest(server.url, 'DELETE', `/instances/${id}`);
    const config = join(root, 'skewed.json');
    const options = { StorageDirectory: join(root, 'early'), PostgreSQL: postgresqlSection(postgresql, 'orthanc') };
    writeFileSync(config, JSON.stringify(options));
    const { exitCode, findings } = await auditOf(config, '--margin', '0');
    expect(exitCode).toBe(4);
    const missing = findings.filter(({ kind }) => kind === 'missing').map(({ instance }) => instance);
    expect(new Set(missing)).toEqual(new Set(after));
    expect(findings.filter(({ kind }) => kind === 'orphan')).toHaveLength(3);
    expect(findings).toHaveLength(7);
  });
});
