/** Sidecars follow the source to targets and archive; one that cannot be reached costs no other. */
import { describe, expect, test } from 'vitest';
import type { Destination } from '../../core/copy/outcome.ts';
import { md5Of, type OrthancId } from '../../core/identifiers.ts';
import { SidecarSync, type SidecarSyncOptions } from '../../core/mirror/sidecar-sync.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import type { StudySyncResult } from '../../core/sidecars/sync-study.ts';
import { instanceKey } from '../../core/stores/archive/keys.ts';
import type { Change } from '../../core/stores/change-feed.ts';
import { MemoryObjects } from '../support/memory-objects.ts';
import { MemoryArchive } from '../support/memory-store.ts';
import { noFindings } from '../support/no-findings.ts';
import { instanceOf, type WrittenInstance } from '../support/open/written-instance.ts';
import { OrthancInMemory } from '../support/orthanc-in-memory.ts';

/** The n-th study, with one instance. */
function studyOf(n: number): WrittenInstance {
  return instanceOf({ patient: `P${n}`, study: `1.2.${n}`, series: `1.2.${n}.1`, instance: `1.2.${n}.1.1` });
}

async function setUp(studies = 3) {
  const [source, one, two] = [new OrthancInMemory(), new OrthancInMemory(), new OrthancInMemory()];
  const all = Array.from({ length: studies }, (_, n) => studyOf(n + 1));
  for (const server of [source, one, two]) for (const { bytes } of all) server.put(bytes);
  const [sourceStore, oneStore, twoStore] = [
    await source.connect('source'),
    await one.connect('one'),
    await two.connect('two'),
  ];
  const destinations = {
    one: { role: 'target', store: oneStore },
    two: { role: 'target', store: twoStore },
    archive: { role: 'archive', store: new MemoryArchive('archive') },
  } as const satisfies Record<string, Destination>;
  const objects = new MemoryObjects();
  for (const { id, md5, bytes } of all) await objects.putOnce(instanceKey(id, md5), bytes, { sizeBytes: bytes.length });
  const results: StudySyncResult[] = [];
  const options: SidecarSyncOptions = {
    source: sourceStore,
    targets: [
      { destination: destinations.one, store: oneStore },
      { destination: destinations.two, store: twoStore },
    ],
    archive: { destination: destinations.archive, objects },
    limitations: new Limitations(),
    report: { onResult: (result) => results.push(result), ...noFindings },
  };
  const attach = (server: OrthancInMemory, { study, series, id }: WrittenInstance, text: string) => {
    server.metadata.set(`studies/${study}`, { 1030: text });
    server.metadata.set(`series/${series}`, { 1031: text });
    server.metadata.set(`instances/${id}`, { 1032: text });
  };
  const textsOf = (server: OrthancInMemory, { study, series, id }: WrittenInstance) =>
    [`studies/${study}`, `series/${series}`, `instances/${id}`].map((at) =>
      Object.values(server.metadata.get(at) ?? {}),
    );
  const sidecarsOf = ({ study }: WrittenInstance) =>
    [...objects.stored.keys()].filter((key) => key.startsWith(`studies/${study}/`)).length;
  const forget = () => {
    results.length = 0;
    for (const server of [source, one, two]) server.asked.length = 0;
  };
  return { source, one, two, all, destinations, objects, options, results, attach, textsOf, sidecarsOf, forget };
}

const nonePaused = new Map<Destination, unknown>();

function first<Item>([item]: readonly Item[]): Item {
  if (item === undefined) throw new Error('there is one');
  return item;
}

describe('a comparison of sidecars', () => {
  test('brings what is attached to every place that lacks it, and then nothing more', async () => {
    const { source, one, two, all, options, results, attach, textsOf, sidecarsOf, forget } = await setUp();
    const study = first(all);
    attach(source, study, 'urgent');
    const sync = new SidecarSync(options);
    expect(await sync.reconcile(nonePaused, {})).toEqual(new Map());
    expect([one, two].map((server) => textsOf(server, study))).toEqual(
      Array(2).fill([['urgent'], ['urgent'], ['urgent']]),
    );
    expect(all.map(sidecarsOf)).toEqual([1, 1, 1]);
    expect(sync.counts).toMatchObject({ copied: 3, failed: 0 });
    forget();
    await new SidecarSync(options).reconcile(nonePaused, {});
    expect(results).toEqual([]);
    expect([one, two].flatMap((server) => server.changes())).toEqual([]);
  });

  test('brings also what changed, and takes away what is gone', async () => {
    const { source, one, two, all, options, attach, textsOf } = await setUp();
    const study = first(all);
    attach(one, study, 'of before');
    attach(source, study, 'of now');
    source.metadata.delete(`series/${study.series}`);
    await new SidecarSync(options).reconcile(nonePaused, {});
    for (const server of [one, two]) expect(textsOf(server, study)).toEqual([['of now'], [], ['of now']]);
  });

  test('leaves those alone that are paused', async () => {
    const { source, one, two, all, destinations, options, attach, textsOf, sidecarsOf } = await setUp();
    const study = first(all);
    attach(source, study, 'urgent');
    one.asked.length = 0;
    await new SidecarSync(options).reconcile(
      new Map<Destination, undefined>([
        [destinations.one, undefined],
        [destinations.archive, undefined],
      ]),
      {},
    );
    expect([one.asked, textsOf(two, study)[0], sidecarsOf(study)]).toEqual([[], ['urgent'], 0]);
  });

  test('takes no notice of a target that cannot be listed, but to name it', async () => {
    const { source, one, two, all, destinations, options, attach, textsOf } = await setUp();
    const study = first(all);
    attach(source, study, 'urgent');
    one.instead = ({ path }) => (path.includes('response-content') ? { status: 400 } : undefined);
    const failures = await new SidecarSync(options).reconcile(nonePaused, {});
    expect([...failures.keys()]).toEqual([destinations.one]);
    expect([textsOf(one, study)[0], textsOf(two, study)[0]]).toEqual([[], ['urgent']]);
  });

  test('ends where the source cannot be listed: that is no fault of a target', async () => {
    const { source, one, options } = await setUp();
    source.instead = ({ path }) => (path.includes('response-content') ? { status: 400 } : undefined);
    await expect(new SidecarSync(options).reconcile(nonePaused, {})).rejects.toMatchObject({ store: 'source' });
    expect(one.changes()).toEqual([]);
  });

  test('gives up a target that refuses everything, after the first study that tells', async () => {
    const { source, one, two, all, destinations, options, attach, textsOf, results } = await setUp(12);
    for (const study of all) attach(source, study, 'urgent');
    one.instead = ({ method }) => (method === 'PUT' ? { status: 403 } : undefined);
    const sync = new SidecarSync({ ...options, ceiling: 1 });
    const failures = await sync.reconcile(nonePaused, {});
    expect([...failures]).toMatchObject([[destinations.one, { code: 'forbidden' }]]);
    expect(new Set(one.changes().map((change) => change.replace(/metadata.*/, ''))).size).toBeLessThanOrEqual(3);
    expect(all.every((study) => textsOf(two, study)[0]?.[0] === 'urgent')).toBe(true);
    expect(results).toHaveLength(12);
    expect(sync.lastFailure).toMatchObject({ code: 'forbidden' });
  });

  test('tries a target again that was only busy with one study', async () => {
    const { source, one, all, options, attach, textsOf } = await setUp(4);
    for (const study of all) attach(source, study, 'urgent');
    const busy = first(all).study;
    one.instead = ({ method, path }) => (method === 'PUT' && path.includes(busy) ? { status: 503 } : undefined);
    const failures = await new SidecarSync({ ...options, ceiling: 1 }).reconcile(nonePaused, {});
    expect(failures).toEqual(new Map());
    expect(all.slice(1).map((study) => textsOf(one, study)[0])).toEqual([['urgent'], ['urgent'], ['urgent']]);
  });

  test('reads again the studies of instances that came since', async () => {
    const { all, options, results, destinations, sidecarsOf } = await setUp();
    await new SidecarSync(options).reconcile(nonePaused, {});
    results.length = 0;
    const sync = new SidecarSync(options);
    const { id, study } = first(all);
    sync.note({ id, md5: md5Of(Buffer.from('bytes')), outcomes: [{ destination: destinations.one, kind: 'copied' }] });
    await sync.reconcile(nonePaused, {});
    expect(results.map(({ studyId }) => studyId)).toEqual([study]);
    // Nothing of it changed.
    expect(sidecarsOf(first(all))).toBe(1);
  });
});

describe('a comparison in parts', () => {
  async function partsOf(options: SidecarSyncOptions, after: OrthancId | null, mostAtOnce = 0) {
    return Array.fromAsync(new SidecarSync(options).differingParts(nonePaused, { after, mostAtOnce }));
  }

  test('is one where there are few instances', async () => {
    const { all, options } = await setUp(3);
    const parts = await partsOf({ ...options, targets: [] }, null, 3);
    expect(parts).toEqual([{ studies: expect.any(Array), through: null }]);
    expect(first(parts).studies.toSorted()).toEqual(all.map(({ study }) => study).sort());
  });

  test('goes on behind the part before, and finds all there is', async () => {
    const { all, options } = await setUp(60);
    const ids = all.map(({ study }) => study).sort();
    const alone = { ...options, targets: [] };
    const parts = await partsOf(alone, null);
    expect(parts.map(({ through }) => through)).toEqual([ids[49], null]);
    expect(parts.flatMap(({ studies }) => studies).sort()).toEqual(ids);
    const rest = await partsOf(alone, ids[49] ?? null);
    expect(rest.map(({ studies, through }) => [studies.toSorted(), through])).toEqual([[ids.slice(50), null]]);
    // After the last there is nothing, but it is told that it was the end.
    expect(await partsOf(alone, ids[59] ?? null)).toEqual([{ studies: [], through: null }]);
  });
});

describe('a change of the feed', () => {
  const change = (type: Change['type'], level: Change['level'], id: OrthancId): Change => ({
    seq: 1,
    type,
    level,
    id,
    date: '',
  });

  test('announces its study, once, whatever level it names', async () => {
    const { all, options } = await setUp();
    const { id, study } = first(all);
    const sync = new SidecarSync(options);
    const changes = [
      change('StableStudy', 'studies', study),
      change('UpdatedMetadata', 'instances', id),
      change('NewInstance', 'instances', id),
    ];
    expect(await sync.announced(changes, {})).toEqual([study]);
    expect(await sync.announced(changes.slice(2), {})).toEqual([]);
  });

  test('brings its study alone', async () => {
    const { source, one, all, options, attach, results } = await setUp();
    for (const study of all) attach(source, study, 'urgent');
    const { study, id } = first(all);
    const sync = new SidecarSync(options);
    await sync.follow([change('UpdatedMetadata', 'instances', id)], nonePaused, {});
    expect(results.map(({ studyId }) => studyId)).toEqual([study]);
    expect(one.metadata.size).toBe(3);
    expect(await sync.syncStudyOf({ level: 'instances', id }, {})).toMatchObject({ studyId: study });
    source.held.clear();
    expect(await sync.syncStudyOf({ level: 'instances', id }, {})).toBeUndefined();
  });

  test('of a study is brought to those that are not paused', async () => {
    const { source, one, all, destinations, options, attach } = await setUp();
    const study = first(all);
    attach(source, study, 'urgent');
    const withdrawn = new Map([[destinations.one, undefined]]);
    const { outcomes, instances } = await new SidecarSync(options).syncOne(study.study, { withdrawn });
    expect(instances).toBe(1);
    expect(outcomes.map(({ destination, kind }) => [destination, kind])).toEqual([
      [destinations.archive, 'copied'],
      [destinations.two, 'copied'],
    ]);
    expect(one.metadata.size).toBe(0);
  });
});
