import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { Recording } from '../support/power-cut.ts';
import { SeededRandom, testSeeds } from '../support/seeded-random.ts';

const record = new Recording();
const calls = record.calls();

const cuts = 200;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'power-cut-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** What is on the disk for sure once everything up to this moment of the recording has happened. */
interface Confirmed {
  readonly key: string;
  readonly version: number;
  readonly moment: number;
}

/** Writers to one folder, and what they were told. */
class Scene {
  readonly confirmed: Confirmed[] = [];
  /** All that was ever given to the folder, by key; of what is replaced, in this order. */
  readonly given = new Map<string, Uint8Array[]>();
  /** Two that know nothing of each other, as in two processes. */
  readonly #objects: readonly [FolderObjects, FolderObjects];
  readonly #record: Recording;

  constructor(objects: readonly [FolderObjects, FolderObjects], record: Recording) {
    this.#objects = objects;
    this.#record = record;
  }

  async putOnce(key: string, bytes: Uint8Array, writer: 0 | 1): Promise<void> {
    this.given.set(key, [bytes]);
    await this.#objects[writer].putOnce(key, bytes, { sizeBytes: bytes.length });
    this.#confirm(key, 0);
  }

  async replace(key: string, times: number): Promise<void> {
    const versions: Uint8Array[] = [];
    this.given.set(key, versions);
    let etag: string | null = null;
    for (let version = 0; version < times; version += 1) {
      const bytes = Buffer.from(JSON.stringify({ version }));
      versions.push(bytes);
      const replaced = await this.#objects[0].replaceIf(key, bytes, etag);
      if (replaced === 'changed') throw new Error('nobody else writes to it');
      etag = replaced.etag;
      this.#confirm(key, version);
    }
  }

  #confirm(key: string, version: number): void {
    this.confirmed.push({ key, version, moment: this.#record.moments });
  }
}

async function write(scene: Scene, random: SeededRandom): Promise<void> {
  for (let n = 0; n < 12; n += 1) {
    const id = random.between(1, 20);
    const bytes = Buffer.alloc(random.pick([7, 3000]), id);
    // Often another one is writing, or has written, the same.
    await scene.putOnce(`instances/${id}/${bytes.length}.dcm`, bytes, random.pick([0, 1]));
  }
}

/** What a power cut at each moment of `work` leaves, if the disk wrote what it had to, or almost everything. */
async function cutDuring(work: (objects: FolderObjects) => Promise<void>, seed: number) {
  const random = new SeededRandom(seed);
  record.begin(folder);
  const objects = new FolderObjects(folder, { calls });
  await work(objects);
  await objects.close();
  const last = record.moments;
  return Array.from({ length: last + 1 }, (_, moment) => moment).flatMap((moment) =>
    [0, 0.5, 0.5, 1].map((share) => ({
      left: record.leftAt(moment, () => random.chance(share)),
      isDone: moment === last,
      moment,
    })),
  );
}

const key = 'studies/one.json';
const [damaged, right] = [Buffer.from('damaged'), Buffer.from('as it was')];
const asRight = { sizeBytes: right.length, md5: md5Of(right) };

function keptAside(left: ReadonlyMap<string, Uint8Array>): readonly string[] {
  const aside = [...left].filter(([path]) => path.startsWith(`superseded/${key}`));
  return aside.map(([, bytes]) => Buffer.from(bytes).toString());
}

it.each(testSeeds(1))(
  'a damaged object is there, or the right one, and kept in the end (TEST_SEED=%i)',
  async (seed) => {
    let before = 0;
    const cuts = await cutDuring(async (objects) => {
      await objects.putOnce(key, damaged, { sizeBytes: damaged.length });
      before = record.moments;
      await objects.supersede(key, right, asRight);
    }, seed);
    for (const { left, isDone, moment } of cuts) {
      if (moment < before) continue;
      const there = Buffer.from(left.get(key) ?? []).toString();
      expect(isDone ? ['as it was'] : ['damaged', 'as it was'], `at ${moment}`).toContain(there);
      // The right one takes its place only when the damaged one has another.
      if (there === 'as it was') expect(keptAside(left), `at ${moment}`).toEqual(['damaged']);
    }
  },
);

it.each(testSeeds(1))('an object that is set aside is somewhere at every moment (TEST_SEED=%i)', async (seed) => {
  let before = 0;
  const cuts = await cutDuring(async (objects) => {
    await objects.putOnce(key, damaged, { sizeBytes: damaged.length });
    before = record.moments;
    await objects.setAside(key);
  }, seed);
  for (const { left, isDone, moment } of cuts) {
    if (moment < before) continue;
    if (isDone) expect(left.has(key)).toBe(false);
    if (!left.has(key)) expect(keptAside(left), `at ${moment}`).toEqual(['damaged']);
  }
});

it.each(testSeeds(1))('a document that was deleted does not come back (TEST_SEED=%i)', async (seed) => {
  const cuts = await cutDuring(async (objects) => {
    await objects.replaceIf('state/repair.json', right, null);
    await objects.delete('state/repair.json');
  }, seed);
  for (const { left } of cuts.filter(({ isDone }) => isDone)) expect(left.has('state/repair.json')).toBe(false);
});

it.each(testSeeds(1))('loses nothing that it confirmed when the power is cut (TEST_SEED=%i)', async (seed) => {
  const random = new SeededRandom(seed);
  record.begin(folder);
  const objects = [new FolderObjects(folder, { calls }), new FolderObjects(folder, { calls })] as const;
  const scene = new Scene(objects, record);
  const writers = Array.from({ length: 8 }, () => write(scene, random));
  await Promise.all([...writers, scene.replace('state/cursor.json', 20)]);
  for (const each of objects) await each.close();
  expect(scene.confirmed.length).toBe(8 * 12 + 20);

  for (let n = 0; n < cuts; n += 1) {
    const moment = random.between(0, record.moments);
    // From a disk that had written only what it had to, to one that had written almost everything.
    const share = random.next();
    const left = record.leftAt(moment, () => random.chance(share));
    const versions = new Map([...left].map(([key, bytes]) => [key, versionOf(scene.given.get(key) ?? [], bytes)]));
    for (const { key, version, moment: at } of scene.confirmed) {
      if (at <= moment) expect(versions.get(key) ?? -1, `${key} at ${moment}`).toBeGreaterThanOrEqual(version);
    }
    for (const [key, version] of versions)
      if (!key.startsWith('.tmp/')) expect(version, `${key} at ${moment}`).not.toBe(-1);
  }
});

function versionOf(given: readonly Uint8Array[], bytes: Uint8Array): number {
  return given.findIndex((one) => Buffer.compare(one, bytes) === 0);
}
