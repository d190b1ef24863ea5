import { randomUUID } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { uploadAll } from '../../local/upload.ts';
import { runCommand } from '../support/command.ts';
import {
  type PostgresqlServer,
  postgresqlIndexPlugin,
  postgresqlSection,
  startPostgresql,
} from '../support/postgresql.ts';

const difference = z.object({ type: z.literal('difference'), kind: z.string(), uuid: z.string() });

interface Backend {
  readonly name: string;
  start(): Promise<OrthancServer>;
  stop(): Promise<void>;
}

function sqlite(): Backend {
  return { name: 'SQLite', start: () => startOrthanc(), stop: async () => undefined };
}

function postgresql(): Backend {
  let database: PostgresqlServer | undefined;
  return {
    name: 'PostgreSQL',
    start: async () => {
      database = await startPostgresql();
      await database.createDatabase('orthanc');
      const config = { PostgreSQL: postgresqlSection(database, 'orthanc') };
      return startOrthanc({ version: '1.10.1', plugins: [postgresqlIndexPlugin], config });
    },
    stop: async () => database?.stop(),
  };
}

describe.each([sqlite(), postgresql()])('an audit of 1,000 instances of a running server on $name', (backend) => {
  let root: string;
  let server: OrthancServer;
  const expected: string[] = [];

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'host-audit-'));
    server = await backend.start();
    const sizeBytes = 6000;
    const uploads = Array.from({ length: 1000 }, (_, n) => ({
      sizeBytes,
      body: () => generateInstance(placeOfNth('audit', n), sizeBytes).bytes,
    }));
    await uploadAll(server.url, uploads, 8);
  });
  afterAll(async () => {
    await server.stop();
    await backend.stop();
    rmSync(root, { recursive: true });
  });

  function audit(...options: readonly string[]) {
    return runCommand(['audit', '--config', server.configPath, '--margin', '0', ...options]);
  }

  async function differences(...options: readonly string[]): Promise<string[]> {
    const { stdout } = await audit('--json', ...options);
    return stdout
      .split('\n')
      .filter((line) => line.includes('"difference"'))
      .map((line) => difference.parse(JSON.parse(line)))
      .map(({ kind, uuid }) => `${kind} ${uuid}`);
  }

  it('finds nothing at first', async () => {
    expect(await audit()).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^1,000 rows, 1,000 good/) });
  });

  it('names exactly the 120 files that were deleted, added, cut or had a bit flipped', async () => {
    const files = storageFiles(server.storageFolder);
    const uuidOf = (path: string) => path.slice(-36);
    for (const path of files.slice(0, 30)) {
      unlinkSync(path);
      expected.push(`missing ${uuidOf(path)}`);
    }
    for (const path of files.slice(30, 60)) {
      truncateSync(path, statSync(path).size - 1);
      expected.push(`wrong-size ${uuidOf(path)}`);
    }
    files.slice(60, 90).forEach((path, index) => {
      const bytes = readFileSync(path);
      bytes.writeUInt8(bytes.readUInt8(index * 150) ^ (1 << (index % 8)), index * 150);
      writeFileSync(path, bytes);
      expected.push(`wrong-hash ${uuidOf(path)}`);
    });
    for (let count = 0; count < 30; count += 1) {
      const uuid = randomUUID();
      const path = join(server.storageFolder, uuid.slice(0, 2), uuid.slice(2, 4), uuid);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, `orphan ${count}`);
      expected.push(`orphan ${uuid}`);
    }
    expect(await audit()).toMatchObject({ exitCode: 4 });
    expect((await differences()).toSorted()).toEqual(expected.toSorted());
  });

  it('takes the orphans away and gives them back unchanged', async () => {
    const before = contentOf(server.storageFolder);
    const quarantine = join(root, 'quarantine');
    await differences('--quarantine', quarantine);
    const left = expected.filter((line) => !line.startsWith('orphan'));
    expect((await differences()).toSorted()).toEqual(left.toSorted());
    expect(await runCommand(['audit', '--quarantine', quarantine, '--undo'])).toMatchObject({ exitCode: 0 });
    expect(contentOf(server.storageFolder)).toEqual(before);
  });
});

function storageFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => /\/[0-9a-f-]{36}$/.test(path));
}

/** Every file and its content, the index apart: a running server writes to it. */
function contentOf(folder: string): ReadonlyMap<string, string> {
  return new Map(storageFiles(folder).map((path) => [path, readFileSync(path, 'hex')]));
}
