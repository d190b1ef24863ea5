/**
 * Lets `run --watch` follow a busy server through everything that goes wrong, for minutes or hours, and then compares
 * source, target and a restore of the archive by bytes and by values. The watch is never started again.
 *
 *     node bench/soak.ts [--minutes N | --hours N] [--seed N] [--log FILE] [--source-version V] [--target-version V]
 *
 * As root on Linux the archive's mount point is emptied and its disk filled, too. Exit code 0 if all are equal.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { isInstanceId } from '../core/identifiers.ts';
import { instanceFolder } from '../core/stores/archive/keys.ts';
import { type OrthancServer, startOrthanc } from '../local/orthanc-server.ts';
import { newOrthanc } from '../local/orthanc-versions.ts';
import { orthancPlace, proofTable, prove } from '../local/prove.ts';
import { startFaultProxy } from '../test/support/fault-proxy.ts';
import { canMount } from '../test/support/small-disk.ts';
import { folderPlace, Lags, serverPlace } from './soak/lags.ts';
import { SeededRandom } from './soak/random.ts';
import { say } from './soak/say.ts';
import { Traffic } from './soak/traffic.ts';
import { type Site, type Trouble, troublesOf, userName } from './soak/troubles.ts';
import { type ReadServer, valuesOf } from './soak/values.ts';
import { type Usage, WatchProcess } from './soak/watch-process.ts';

const executable = new URL('../bin/orthanc-mirror', import.meta.url).pathname;
const diskBytes = 8 * 1024 ** 3;
const lookEveryMs = 500;
/** The watch compares so often, that deletions are noted and carried over while it runs. */
const compareEveryHours = 0.03;
/** After the last trouble everything must be equal within this time. */
const calmMs = 20 * 60_000;

const { values: options } = parseArgs({
  options: {
    minutes: { type: 'string', default: '6' },
    hours: { type: 'string' },
    seed: { type: 'string' },
    log: { type: 'string' },
    'source-version': { type: 'string' },
    'target-version': { type: 'string' },
  },
});
const lengthMs = options.hours === undefined ? Number(options.minutes) * 60_000 : Number(options.hours) * 3_600_000;
const seed = options.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(options.seed);

const leaving = new AsyncDisposableStack();
const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-soak-'));
leaving.defer(() => rm(folder, { recursive: true, force: true }));
/** What the watch prints. */
const logPath = options.log ?? join(folder, 'watch.log');

async function soak(): Promise<boolean> {
  say(`seed ${seed}, ${Math.round(lengthMs / 60_000)} minutes`);
  const random = new SeededRandom(seed);
  const site = await openSite();
  const lags = new Lags([
    serverPlace('target', site.target.url, () => readableTarget(site).headers),
    folderPlace('archive', () => join(site.disk ?? site.mountPoint, 'archive')),
  ]);
  const traffic = new Traffic(site.source.url, random, (instance) => lags.begin(instance));
  const watch = startWatch(await writeConfiguration(site));
  const stop = new AbortController();
  const busy = [
    repeat(stop.signal, async () => {
      await traffic.step();
      await delay(random.whole(20, 400));
    }),
    repeat(stop.signal, async () => {
      await lags.look();
      watch.sample();
      await delay(lookEveryMs);
    }),
  ];
  await untilArchived(site);
  const phases = await goThroughTroubles(site, random, lags);
  lags.phase = 'after the last trouble';
  await delay(20_000);
  stop.abort();
  await Promise.all(busy);
  const equal = await untilEqual(site, lags);
  const usage = watch.usage();
  await lags.look();
  await watch.stop();
  tell({ site, traffic, lags, phases: [...new Set(phases), 'after the last trouble'], watch, usage });
  return equal && (await isRestoredEqual(site)) && watch.livedOn;
}

async function openSite(): Promise<Site> {
  const version = options['source-version'] ?? newOrthanc().version;
  const source = leaving.use(await startOrthanc({ version, config: { OverwriteInstances: true } }));
  const target = leaving.use(
    await startOrthanc({
      version: options['target-version'] ?? newOrthanc().version,
      config: { AuthenticationEnabled: true, RegisteredUsers: { [userName]: 'first password' } },
    }),
  );
  const toTarget = leaving.adopt(await startFaultProxy(target.url), (proxy) => proxy.close());
  const mountPoint = join(folder, 'mount');
  await mkdir(mountPoint);
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, 'first password\n');
  const disk = canMount ? await mountDisk(mountPoint) : undefined;
  if (disk === undefined) say('not root: no mount point is emptied and no disk filled');
  return { source, target, toTarget, passwordFile, password: 'first password', mountPoint, disk };
}

async function mountDisk(mountPoint: string): Promise<string> {
  const disk = join(folder, 'disk');
  await mkdir(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${diskBytes}`, 'tmpfs', disk]);
  execFileSync('mount', ['--bind', disk, mountPoint]);
  leaving.defer(() => {
    execFileSync('umount', ['--lazy', mountPoint]);
    execFileSync('umount', ['--lazy', disk]);
  });
  return disk;
}

async function writeConfiguration({ source, toTarget, passwordFile, mountPoint }: Site): Promise<string> {
  const path = join(folder, 'mirror.json');
  const auth = { basic: { username: userName, password: { file: passwordFile } } };
  const main = {
    source: { url: source.url },
    targets: { standby: { url: toTarget.url, auth } },
    archive: { folder: join(mountPoint, 'archive') },
    follow: { compareEveryHours },
  };
  await writeFile(path, JSON.stringify({ mirrors: { main } }));
  return path;
}

function startWatch(config: string): WatchProcess {
  return leaving.adopt(new WatchProcess(config, logPath), (watch) => watch.stop());
}

/** An archive that was never made cannot go away. */
async function untilArchived({ mountPoint }: Site): Promise<void> {
  while (!existsSync(join(mountPoint, 'archive/archive.json'))) await delay(lookEveryMs);
}

/** One trouble after the other, each of them in each round, until the time is over. @returns their names */
async function goThroughTroubles(site: Site, random: SeededRandom, lags: Lags): Promise<readonly string[]> {
  const endMs = performance.now() + lengthMs;
  const phases: string[] = [];
  while (performance.now() < endMs) {
    for (const trouble of shuffled(troublesOf(site, random), random)) {
      if (performance.now() >= endMs) break;
      phases.push(trouble.name);
      await live(trouble, random, lags);
    }
  }
  return phases;
}

/** The trouble for some seconds, then some seconds for what it left behind. */
async function live(trouble: Trouble, random: SeededRandom, lags: Lags): Promise<void> {
  const [troubleMs, restMs] = [random.whole(5, 45) * 1000, random.whole(10, 40) * 1000];
  say(`${trouble.name} for ${troubleMs / 1000} s`);
  lags.phase = trouble.name;
  await trouble.begin();
  await delay(troubleMs);
  await trouble.end();
  await delay(restMs);
}

function shuffled<Item>(items: readonly Item[], random: SeededRandom): readonly Item[] {
  return items
    .map((item) => ({ item, key: random.next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

function readableTarget({ target, password }: Site): ReadServer {
  const credentials = Buffer.from(`${userName}:${password}`).toString('base64');
  return { url: target.url, headers: { authorization: `Basic ${credentials}` } };
}

/** Waits until target and source are equal by bytes and by values. @returns whether they are in time */
async function untilEqual(site: Site, lags: Lags): Promise<boolean> {
  const beganMs = performance.now();
  for (;;) {
    await lags.look();
    await deleteNeverArchived(site).catch(() => undefined);
    const differences = await differencesOf(site.source, readableTarget(site), passwordIn(site));
    const seconds = Math.round((performance.now() - beganMs) / 1000);
    if (differences.length === 0) say(`source and target are equal ${seconds} s after the last change`);
    if (differences.length === 0) return true;
    if (performance.now() - beganMs > calmMs) {
      say(`NOT EQUAL after ${seconds} s:\n${differences.slice(0, 20).join('\n')}`);
      return false;
    }
    await delay(5000);
  }
}

/**
 * What the source deleted before the archive had it stays at the target: nothing of the archive proves that it came from
 * this source. An administrator deletes it, and so does the soak, and says how much that was.
 */
async function deleteNeverArchived(site: Site): Promise<void> {
  const { url, headers } = readableTarget(site);
  const idsAt = async (server: string, with_: ReadServer['headers']): Promise<readonly string[]> =>
    z.array(z.string()).parse(await (await fetch(`${server}/instances`, { headers: with_ })).json());
  const [here, there] = await Promise.all([idsAt(site.source.url, {}), idsAt(url, headers)]);
  const kept = new Set(here);
  for (const id of there.filter((one) => !kept.has(one) && !wasArchived(site, one))) {
    await fetch(`${url}/instances/${id}`, { method: 'DELETE', headers });
    say(`deleted ${id} at the target: the source deleted it before the archive had it`);
  }
}

function wasArchived({ mountPoint }: Site, id: string): boolean {
  return isInstanceId(id) && existsSync(join(mountPoint, 'archive', instanceFolder(id)));
}

function passwordIn({ target, password }: Site): string {
  const url = new URL(target.url);
  url.username = userName;
  url.password = password;
  return url.href;
}

/** What source and another server hold differently, bytes and values; what changes meanwhile is a difference too. */
async function differencesOf(source: OrthancServer, other: ReadServer, address: string): Promise<readonly string[]> {
  try {
    return await compared(source, other, address);
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)];
  }
}

async function compared(source: OrthancServer, other: ReadServer, address: string): Promise<readonly string[]> {
  const proof = await prove([orthancPlace('source', source.url), orthancPlace('other', address)]);
  if (!proof.equal) return [proofTable(proof)];
  const [here, there] = await Promise.all([valuesOf({ url: source.url, headers: {} }), valuesOf(other)]);
  return [
    ...[...here].filter((line) => !there.has(line)).map((line) => `missing: ${line}`),
    ...[...there].filter((line) => !here.has(line)).map((line) => `too much: ${line}`),
  ];
}

/** What the archive gives back, in a server of its own. */
async function isRestoredEqual({ source, mountPoint }: Site): Promise<boolean> {
  await using restored = await startOrthanc({ version: source.version });
  const archive = join(mountPoint, 'archive');
  const child = spawn(executable, ['restore', '--archive', archive, '--to', restored.url], { stdio: 'ignore' });
  const code = await new Promise((resolve) => child.on('close', resolve));
  const differences = await differencesOf(source, { url: restored.url, headers: {} }, restored.url);
  say(`restored from the archive with exit code ${String(code)}: ${differences.length === 0 ? 'equal' : 'NOT EQUAL'}`);
  for (const line of differences.slice(0, 20)) say(line);
  return differences.length === 0;
}

interface Told {
  readonly site: Site;
  readonly traffic: Traffic;
  readonly lags: Lags;
  readonly phases: readonly string[];
  readonly watch: WatchProcess;
  readonly usage: readonly Usage[];
}

function tell({ traffic, lags, phases, watch, usage }: Told): void {
  console.log(`\n${JSON.stringify(traffic.counts)}\n\n${lags.table(phases)}\n`);
  console.log(
    `deleted before they arrived, or missing: target ${lags.left('target')}, archive ${lags.left('archive')}`,
  );
  const [memory, descriptors] = [usage.map((one) => one.residentMiB), usage.map((one) => one.descriptors)];
  const range = (values: readonly number[]) =>
    `${Math.round(values[0] ?? 0)} at first, ${Math.round(Math.max(...values))} at most, ${Math.round(values.at(-1) ?? 0)} at the end`;
  console.log(`resident MiB: ${range(memory)}\ndescriptors: ${range(descriptors)}\n`);
  for (const [what, count] of [...watch.events].sort(([a], [b]) => a.localeCompare(b)))
    console.log(`${String(count).padStart(6)}  ${what}`);
  console.log(readFileSync(logPath, 'utf8').split('\n').slice(-3).join('\n'));
}

async function repeat(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  while (!signal.aborted) await work();
}

try {
  process.exitCode = (await soak()) ? 0 : 1;
} finally {
  await leaving.disposeAsync();
}
