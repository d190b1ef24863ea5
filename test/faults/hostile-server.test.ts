/**
 * What a hostile or broken server can make a mirror do: end within its bounds, say which server it was, and nothing
 * else. All of them run in one process, beside a mirror of two honest servers.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exitCodeOfRun } from '../../cli/run/run-report.ts';
import type { Destination } from '../../core/copy/outcome.ts';
import type { MirrorError } from '../../core/errors.ts';
import { sidecarSyncOf } from '../../core/mirror/parts.ts';
import { runMirror } from '../../core/mirror/run-mirror.ts';
import { noOutcomes } from '../../core/mirror/summary.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { type OrthancStore, openOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import type { RetryPolicy } from '../../core/stores/orthanc/retry.ts';
import { inParallel } from '../../core/streams/in-parallel.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type Scenario, scenarios } from '../support/hostile-scenarios.ts';
import { type HostileServer, knownInstances, startHostileServer } from '../support/hostile-server.ts';

/** As many tries as usual, without the pauses between them. */
const quick: RetryPolicy = ({ disposition, retryAfterMs = 0 }, attempt) =>
  disposition === 'retry' && attempt < 4 && retryAfterMs < 10_000 ? 1 : undefined;

const impatient = {
  timeouts: { connectMs: 5000, queryMs: 3000, longMs: 3000, bodyMs: 3000 },
  limits: { leastBytesPerSecond: 100, rateWindowMs: 2000, mostInstances: 1500, mostInstanceBytes: 1024 ** 3 },
} as const;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-hostile-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function open(server: HostileServer, name: string): OrthancStore {
  return openOrthancStore({ url: server.url, name, maxConnections: 4, ...impatient }, quick);
}

interface Ended {
  readonly exitCode: number;
  readonly errors: readonly MirrorError[];
  readonly copied: number;
}

async function mirror(source: OrthancStore, destinations: readonly Destination[]): Promise<Ended> {
  const errors: MirrorError[] = [];
  const note = ({ outcomes }: { readonly outcomes: readonly { readonly error?: MirrorError }[] }) =>
    errors.push(...outcomes.flatMap(({ error }) => (error === undefined ? [] : [error])));
  const sidecars = sidecarSyncOf({ source, destinations }, new Limitations(() => undefined), {
    report: { onResult: note },
  });
  const end = await runMirror({
    source,
    feed: source,
    destinations,
    sidecars,
    concurrency: 4,
    patienceMs: 100,
    observer: { onResult: note },
  });
  errors.push(...[end.stoppedBy, ...end.withdrawn.values()].filter((error) => error !== undefined));
  const policies = { conflicts: 'report', deletions: 'off', sidecarCounts: sidecars.counts ?? noOutcomes() } as const;
  return { exitCode: exitCodeOfRun(end, policies), errors, copied: end.summary.instances.copied };
}

async function archiveFor(name: string): Promise<Destination> {
  const objects = new FolderObjects(join(folder, name.replaceAll(/\W+/g, '-')), { name: 'archive' });
  return { role: 'archive', store: await openArchive(objects, { createFor: { name: 'test' } }) };
}

interface Suffered extends Ended {
  readonly requests: number;
  readonly sentBytes: number;
}

async function suffer({
  name,
  twist,
  role = 'source',
  old = false,
  instances = 3,
  sizeBytes = 4096,
}: Scenario): Promise<Suffered> {
  const held = knownInstances((n) => generateInstance(placeOfNth(name, n), sizeBytes), name, instances);
  const hostile = await startHostileServer({
    instances: role === 'source' ? held : [],
    old,
    twist: (exchange, world) => twist(exchange, role === 'source' ? world : { ...world, instances: held }),
  });
  const honest = await startHostileServer({ instances: held });
  const source = role === 'source' ? open(hostile, 'hostile') : open(honest, 'honest');
  const target = open(hostile, 'hostile');
  try {
    const destination: Destination = role === 'source' ? await archiveFor(name) : { role: 'target', store: target };
    const ended = await mirror(source, [destination]);
    return { ...ended, requests: hostile.requests, sentBytes: hostile.sentBytes };
  } finally {
    await Promise.all([source.close(), target.close(), hostile.close(), honest.close()]);
  }
}

test('there are enough ways to be hostile, each with a name of its own', () => {
  expect(scenarios.length).toBeGreaterThanOrEqual(60);
  expect(new Set(scenarios.map(({ name }) => name)).size).toBe(scenarios.length);
});

describe('a mirror ends within its bounds, and says so, when a server', () => {
  // Most of them wait for something that does not come: together they take no longer than one.
  const all = scenarios.map((scenario) => ({ ...scenario, ...Promise.withResolvers<Suffered>() }));
  beforeAll(() => {
    void inParallel(all, 12, (one) => suffer(one).then(one.resolve, one.reject));
  });

  test.for(all)('$name', async ({ name, exit, code, requests = 80, bytes = 4 * 1024 * 1024, promise }) => {
    const suffered = await promise;
    const told = suffered.errors.map((error) => `${error.code}: ${error.message}`);
    for (const line of told) expect(line).toContain('hostile');
    // What comes first depends on the load: the instance that fails, or the server that is given up; and of what a server
    // took, that it is not there any more, or that it does not answer for it.
    const exits = exit === 3 ? '3' : '[57]';
    const codes = name.startsWith('is asked what it stored') ? `(?:${code}|not-held)` : code;
    const expected = new RegExp(`^exit ${exits}$[^]*^${codes}: `, 'm');
    expect(`exit ${suffered.exitCode}\n${told.join('\n')}`).toMatch(expected);
    expect(suffered.requests).toBeLessThanOrEqual(requests);
    expect(suffered.sentBytes).toBeLessThanOrEqual(bytes);
  });
});

test('a mirror of honest servers in the same process goes on meanwhile', async () => {
  const held = knownInstances((n) => generateInstance(placeOfNth('honest', n), 4096), 'honest', 60);
  const server = await startHostileServer({ instances: held });
  const source = openOrthancStore({ url: server.url, name: 'honest' });
  const bad = ['never answers', 'lists without end', 'floods with 103 Early Hints', 'answers a byte at a time'];
  const suffering = scenarios.filter(({ name }) => bad.includes(name)).map(suffer);
  const ended = await mirror(source, [await archiveFor('honest')]);
  await Promise.all([...suffering, source.close()]);
  await server.close();
  expect(suffering).toHaveLength(bad.length);
  expect(ended).toMatchObject({ exitCode: 0, errors: [], copied: 60 });
});

test('a server that never finishes the handshake of TLS is given up', async () => {
  const silent = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const address = silent.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const url = `https://127.0.0.1:${address.port}`;
  const store = openOrthancStore({ url, name: 'silent', ...impatient, timeouts: { connectMs: 300 } }, quick);
  await expect(store.capabilities()).rejects.toMatchObject({ code: 'unreachable', message: /^silent / });
  await store.close();
  silent.close();
});

test('all of this took no more memory than the largest answer that is read as a whole', () => {
  // Of the whole process, in KiB: Node itself, the hostile servers, and some answers of 64 MiB at once.
  expect(process.resourceUsage().maxRSS).toBeLessThan(1536 * 1024);
});
