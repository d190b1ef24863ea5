/** Hostile servers through the real command line, with the memory that it allows itself: it names the server, and ends. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inParallel } from '../../core/streams/in-parallel.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type CommandResult, runCommand } from '../support/command.ts';
import { type Scenario, scenarios } from '../support/hostile-scenarios.ts';
import { knownInstances, startHostileServer } from '../support/hostile-server.ts';

const tried = [
  'sends headers without end',
  'floods with 103 Early Hints',
  'redirects to itself',
  'ignores where a page is to begin',
  'lists without end',
  'lists more than 64 MiB in one page',
  'lists ids without end',
  'fills its list with white space',
  'says that more changes follow and does not move',
  'tells changes without end',
  'delivers other bytes than it promises',
  'does not tell how long an instance is, and never ends it',
  'delivers an instance a byte at a time',
  'tells metadata of 20 MB in two-byte values',
];

const hugeAndWrong: Scenario = {
  name: 'lists 60 MB in which every item is wrong',
  twist: ({ path, query, bytes }) => {
    if (path !== '/instances' || !query.has('limit')) return false;
    bytes(`[${'{"ID":1,"Attachments":[],"x":[0,0]},'.repeat(1_700_000)}0]`);
    return true;
  },
  exit: 7,
  code: 'answer-malformed',
};

describe('a run ends, and names the server, when that', () => {
  const found = scenarios.filter(({ name }) => tried.includes(name));
  const all = [...found, hugeAndWrong].map((scenario) => ({ ...scenario, ...Promise.withResolvers<Ended>() }));
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-hostile-'));
    void inParallel(all, 3, (one) => mirrorFrom(one, folder).then(one.resolve, one.reject));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  test.for(all)('$name', async (scenario, { task }) => {
    const { exit, requests = 80 } = scenario;
    const isRetry = (task.result?.retryCount ?? 0) > 0;
    const ended = await (isRetry ? mirrorFrom(scenario, folder) : scenario.promise);
    expect(`${ended.stdout}${ended.stderr}`).toMatch(/\bward /);
    expect(ended).toMatchObject({ exitCode: exit, signal: null });
    // A run looks at the source once more than the mirror in it does.
    expect(ended.requests).toBeLessThanOrEqual(requests + 10);
  });

  test('there is no other scenario of these names', () => {
    expect(found).toHaveLength(tried.length);
  });
});

interface Ended extends CommandResult {
  readonly requests: number;
}

/** Runs a mirror that is configured as an administrator would who does not trust the source. */
async function mirrorFrom(scenario: Scenario, folder: string): Promise<Ended> {
  const { name, twist, old = false, instances = 3, sizeBytes = 4096 } = scenario;
  const held = knownInstances((n) => generateInstance(placeOfNth(name, n), sizeBytes), name, instances);
  const server = await startHostileServer({ instances: held, old, twist });
  try {
    const own = await mkdtemp(join(folder, 'mirror-'));
    const limits = { answerSeconds: 4, bytesPerSecond: 100, instances: 1500 };
    const archive = { folder: join(own, 'archive') };
    const mirrors = { ward: { source: { url: server.url, limits }, archive } };
    await writeFile(join(own, 'mirrors.json'), JSON.stringify({ mirrors }));
    const result = await runCommand(['run', 'ward', '--config', join(own, 'mirrors.json')]);
    return { ...result, requests: server.requests };
  } finally {
    await server.close();
  }
}
