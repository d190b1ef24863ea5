/** The real `cdk synth`, as somebody runs it who has neither network nor AWS credentials. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readStackTemplate } from '../../local/stack/template.ts';
import { fullConfigurationFile } from './synthesize.ts';

let folder: string;
let talk: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-synth-'));
  talk = await synthesize('first');
  await synthesize('second');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** Fails on findings of cdk-nag that are not acknowledged. @returns everything that was printed */
async function synthesize(name: string, configurationFile?: string): Promise<string> {
  const nowhere = 'http://127.0.0.1:9';
  const { stdout, stderr } = await promisify(execFile)(
    'node_modules/.bin/cdk',
    [
      'synth',
      '--quiet',
      ...(configurationFile === undefined ? [] : ['--context', `config=${configurationFile}`]),
      '--output',
      join(folder, name),
    ],
    {
      env: {
        PATH: `${dirname(process.execPath)}:/usr/bin:/bin`,
        HOME: folder,
        HTTP_PROXY: nowhere,
        HTTPS_PROXY: nowhere,
        npm_config_registry: nowhere,
      },
    },
  );
  return stdout + stderr;
}

function warningsIn(printed: string): string[] {
  return printed.split('\n').filter((line) => /warn|deprecat|error|flag/i.test(line));
}

/** Path and hash of every file that decides what is deployed. */
async function deployedFiles(name: string): Promise<string[]> {
  const root = join(folder, name);
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const hashed = files.map(async (file) => {
    const hash = createHash('sha256')
      .update(await readFile(file))
      .digest('hex');
    return `${file.slice(root.length)} ${hash}`;
  });
  return (await Promise.all(hashed))
    .filter((line) => /^\/(?:asset\.|.*\.(?:template|assets)\.json )/.test(line))
    .toSorted();
}

test('takes a configuration with a VPC, object lock, a webhook, an inbox, an open archive, a state machine, two mirrors and three targets, with nothing to warn of', async () => {
  expect(warningsIn(await synthesize('full', fullConfigurationFile))).toEqual([]);
  const { functions, schedules } = await readStackTemplate(join(folder, 'full'));
  expect([functions.length, schedules.length]).toEqual([9, 7]);
});

test('says nothing that warns', () => {
  expect(talk).toContain('Done in');
  expect(warningsIn(talk)).toEqual([]);
});

test('gives the same bytes twice', async () => {
  const first = await deployedFiles('first');
  expect(first.filter((line) => line.includes('/index.mjs '))).toHaveLength(5);
  expect(first.filter((line) => line.includes('/configuration.json '))).toHaveLength(5);
  expect(await deployedFiles('second')).toEqual(first);
});

/** What a file of a bundle imports before anything else happens. */
async function importsOf(file: string): Promise<readonly string[]> {
  const code = await readFile(file, 'utf8');
  const statement = /\s*(?:import\s*(?:[^'"]*?from\s*)?["']([^"']+)["']|const require = [^;]*)\s*;?/y;
  const names: string[] = [];
  for (let found = statement.exec(code); found !== null; found = statement.exec(code)) {
    if (found[1] !== undefined) names.push(found[1]);
  }
  return names;
}

/** The files that are loaded with some of a bundle. */
async function loadedWith(...files: readonly string[]): Promise<ReadonlySet<string>> {
  const loaded = new Set(files);
  // What is added meanwhile is visited, too.
  for (const file of loaded) {
    for (const name of await importsOf(file)) if (name.startsWith('.')) loaded.add(join(dirname(file), name));
  }
  return loaded;
}

async function bundlesIn(name: string): Promise<readonly { readonly index: string; readonly parts: string[] }[]> {
  const files = (await readdir(join(folder, name), { recursive: true })).map((file) => join(folder, name, file));
  return files
    .filter((file) => file.endsWith('/index.mjs'))
    .map((index) => ({
      index,
      parts: files.filter((file) => file.startsWith(join(dirname(index), 'parts')) && file.endsWith('.mjs')),
    }));
}

async function bytesOf(files: Iterable<string>): Promise<number> {
  const sizes = await Promise.all([...files].map(async (file) => (await stat(file)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

test('gives every function little to load when it starts and reaches for its archive', async () => {
  for (const { index, parts } of await bundlesIn('full')) {
    const s3 = parts.filter((part) => part.includes('/s3-objects-'));
    expect(await bytesOf(await loadedWith(index, ...s3)), index).toBeLessThan(1_300_000);
    expect(await bytesOf([index, ...parts]), index).toBeLessThan(1_420_000);
  }
});

test('bundles everything that the functions import', async () => {
  const { builtinModules } = await import('node:module');
  for (const { index, parts } of await bundlesIn('first')) {
    for (const file of [index, ...parts]) {
      const imported = await importsOf(file);
      expect(imported.length).toBeGreaterThan(0);
      for (const name of imported) {
        if (name.startsWith('.')) expect([index, ...parts]).toContain(join(dirname(file), name));
        else expect(name.startsWith('node:') || builtinModules.includes(name), name).toBe(true);
      }
    }
  }
});

test('is what the local stack runs: queues, functions, event sources and schedules are those of the template', async () => {
  const template = await readStackTemplate(join(folder, 'first'));
  const queues = template.queues.filter(({ redrive }) => redrive !== undefined);
  const lanesOf = (mirror: string) => ['backlog', 'large', 'new'].map((lane) => `OrthancMirror_${mirror}_${lane}`);
  expect(new Set(queues.map(({ name }) => name))).toEqual(new Set([...lanesOf('city'), ...lanesOf('harbour')]));
  for (const queue of queues) {
    const visibilityTimeoutSeconds = queue.name?.endsWith('_large') ? 5400 : 1800;
    expect(queue).toMatchObject({ visibilityTimeoutSeconds, redrive: { maxReceiveCount: 8 } });
    expect(template.queues.map(({ logicalId }) => logicalId)).toContain(queue.redrive?.deadLetterQueue);
  }
  expect(template.buckets).toMatchObject([{ versioned: true }]);
  expect(template.functions.map(({ name }) => name).toSorted()).toEqual([
    'scheduler',
    'status',
    'transfer',
    'transfer',
    'verifier',
    'webhook',
  ]);
  const idOf = (name: string) => template.functions.find((found) => found.name === name)?.logicalId;
  const timeoutOf = (logicalId: string) =>
    template.functions.find((found) => found.logicalId === logicalId)?.timeoutSeconds;
  const fed = template.eventSources.map(({ queue, function: fedFunction, batchSize, maxConcurrency }) => {
    const lane = template.queues
      .find(({ logicalId }) => logicalId === queue)
      ?.name?.split('_')
      .at(-1);
    return [lane, { batchSize, maxConcurrency, timeoutSeconds: timeoutOf(fedFunction) }];
  });
  expect(fed).toHaveLength(6);
  expect(Object.fromEntries(fed)).toEqual({
    new: { batchSize: 10, maxConcurrency: 2, timeoutSeconds: 300 },
    backlog: { batchSize: 10, maxConcurrency: 6, timeoutSeconds: 300 },
    large: { batchSize: 1, maxConcurrency: 2, timeoutSeconds: 900 },
  });
  expect(template.functionUrls).toEqual([{ function: idOf('webhook') }]);
  const minute = 60_000;
  expect(template.schedules).toEqual([
    { function: idOf('scheduler'), intervalMs: minute, input: { mirror: 'city' } },
    { function: idOf('verifier'), intervalMs: 60 * minute, input: { mirror: 'city' } },
    { function: idOf('status'), intervalMs: 5 * minute, input: { mirror: 'city' } },
    { function: idOf('scheduler'), intervalMs: 5 * minute, input: { mirror: 'harbour' } },
    { function: idOf('verifier'), intervalMs: 60 * minute, input: { mirror: 'harbour' } },
    { function: idOf('status'), intervalMs: 5 * minute, input: { mirror: 'harbour' } },
  ]);
});
