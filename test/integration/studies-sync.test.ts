import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resourceLevels } from '../../core/identifiers.ts';
import { readArchivedPatient, readArchivedStudy } from '../../core/sidecars/archive-sidecar.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import { type StudySyncResult, syncStudy } from '../../core/sidecars/sync-study.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { noFindings } from '../support/no-findings.ts';
import { countRequests } from '../support/orthanc/count-requests.ts';
import { json, put, remove, text } from '../support/orthanc/rest.ts';
import {
  type GeneratedStudy,
  generateStudy,
  type ServerUnderTest,
  startServer,
  temporaryArchive,
} from '../support/orthanc/study-fixture.ts';
import { upload } from '../support/orthanc/upload.ts';

const versions = { old: oldOrthanc().version, new: newOrthanc().version };

describe.each([
  { from: 'old', to: 'new', config: {} },
  { from: 'new', to: 'old', config: {} },
  { from: 'new', to: 'new', config: { CheckRevisions: true } },
  { from: 'old', to: 'old', config: { CheckRevisions: true } },
] as const)('a study on $from Orthanc mirrored to $to Orthanc ($config)', ({ from, to, config }) => {
  let source: ServerUnderTest;
  let target: ServerUnderTest;
  let archive: Awaited<ReturnType<typeof temporaryArchive>>;
  const withLabels = from === 'new' && to === 'new';

  beforeAll(async () => {
    [source, target, archive] = await Promise.all([
      startServer(versions[from]),
      startServer(versions[to], config),
      temporaryArchive(),
    ]);
  });
  afterAll(async () => {
    await Promise.all([source?.stop(), target?.stop(), archive?.remove()]);
  });

  async function loaded(seed: string, count = 2): Promise<GeneratedStudy> {
    const study = generateStudy(`${seed}-${from}-${to}`, count);
    await upload(source.url, study.files);
    await upload(target.url, study.files);
    return study;
  }

  function sync(study: GeneratedStudy, limitations = new Limitations()): Promise<StudySyncResult> {
    return syncStudy(study.studies, {
      source: source.server,
      targets: [{ destination: { role: 'target', store: target.store }, server: target.server }],
      archive: { destination: { role: 'archive', store: archive.archive }, objects: archive.archive.objects },
      limitations,
      ...noFindings,
    });
  }

  it('carries labels, metadata, attachments and protection of all four levels, and then nothing more', async () => {
    const study = await loaded('carry');
    for (const level of resourceLevels) {
      const path = `/${level}/${study[level]}`;
      await put(source.url, `${path}/metadata/1030`, `value of ${level}, é`);
      await put(source.url, `${path}/attachments/1040`, new Uint8Array(70_000).fill(7));
      if (from === 'new') await put(source.url, `${path}/labels/seen`);
    }
    await put(source.url, `/patients/${study.patients}/protected`, '1');

    const first = await sync(study);

    expect(first.outcomes.map(({ kind }) => kind)).toEqual(['copied', 'copied']);
    for (const level of resourceLevels) {
      const path = `/${level}/${study[level]}`;
      expect(await text(target.url, `${path}/metadata/1030`)).toBe(`value of ${level}, é`);
      expect(await text(target.url, `${path}/attachments/1040/size`)).toBe('70000');
      expect(await text(target.url, `${path}/attachments/1040/md5`)).toBe(
        await text(source.url, `${path}/attachments/1040/md5`),
      );
      if (withLabels) expect(await json(target.url, `${path}/labels`)).toEqual(['seen']);
    }
    expect(await text(target.url, `/patients/${study.patients}/protected`)).toBe('1');

    const { result: second, requests } = await countRequests(target.url, () => sync(study));
    expect(second.outcomes.map(({ kind }) => kind)).toEqual(['already-equal', 'already-equal']);
    expect(requests.filter((request) => /^(?:PUT|DELETE)/.test(request))).toEqual([]);
  });

  it('applies changes and removals, and undoes what was done behind its back on the target', async () => {
    const study = await loaded('change');
    const path = `/studies/${study.studies}`;
    const instance = `/instances/${study.instances}`;
    for (const number of [1030, 1031]) await put(source.url, `${path}/metadata/${number}`, 'before');
    for (const number of [1040, 1041]) await put(source.url, `${instance}/attachments/${number}`, 'before');
    await sync(study);

    await put(source.url, `${path}/metadata/1030`, 'after');
    await remove(source.url, `${path}/metadata/1031`);
    await put(source.url, `${instance}/attachments/1040`, 'after, longer');
    await remove(source.url, `${instance}/attachments/1041`);
    await put(target.url, `${path}/metadata/1032`, 'foreign');
    await put(target.url, `/series/${study.series}/attachments/1042`, 'foreign');
    if (withLabels) await put(target.url, `${path}/labels/foreign`);
    const { outcomes } = await sync(study);

    expect(outcomes.map(({ kind }) => kind)).toEqual(['copied', 'copied']);
    expect(await text(target.url, `${path}/metadata/1030`)).toBe('after');
    expect(await text(target.url, `${path}/metadata/1031`)).toBeUndefined();
    expect(await text(target.url, `${path}/metadata/1032`)).toBeUndefined();
    expect(await text(target.url, `${instance}/attachments/1040/data`)).toBe('after, longer');
    expect(await json(target.url, `${instance}/attachments`)).toEqual(['dicom', '1040']);
    expect(await json(target.url, `/series/${study.series}/attachments`)).toEqual([]);
    if (withLabels) expect(await json(target.url, `${path}/labels`)).toEqual([]);
  });

  it('leaves the caches of plugins and viewers alone on both sides, and copies annotations', async () => {
    const study = await loaded('caches');
    const path = `/studies/${study.studies}`;
    for (const number of [4301, 9998, 10_500, 9999]) await put(source.url, `${path}/attachments/${number}`, 'made');
    await put(source.url, `${path}/metadata/4202`, 'made');
    await put(target.url, `${path}/attachments/9997`, 'own');
    await put(target.url, `${path}/metadata/4202`, 'own');

    await sync(study);

    expect(await json(target.url, `${path}/attachments`)).toEqual(['9997', '9999']);
    expect(await text(target.url, `${path}/metadata/4202`)).toBe('own');
    const archived = await readArchivedStudy(archive.archive.objects, study.studies, noFindings);
    expect(Object.keys(archived?.document.attachments ?? {})).toEqual(['9999']);
  });

  it('tells how many instances the target lacks, writes to those it has, and catches up', async () => {
    const study = generateStudy(`pending-${from}-${to}`, 3);
    await upload(source.url, study.files);
    for (const { id } of study.files) await put(source.url, `/instances/${id}/metadata/1030`, `of ${id}`);

    expect((await sync(study)).outcomes.map(({ pendingInstances }) => pendingInstances)).toEqual([0, 3]);
    await upload(target.url, study.files.slice(0, 2));
    const partly = (await sync(study)).outcomes.at(-1);
    expect(partly).toMatchObject({ kind: 'copied', changes: 2, pendingInstances: 1 });
    await upload(target.url, study.files.slice(2));
    expect((await sync(study)).outcomes.at(-1)).toMatchObject({ kind: 'copied', changes: 1, pendingInstances: 0 });
    for (const { id } of study.files) expect(await text(target.url, `/instances/${id}/metadata/1030`)).toBe(`of ${id}`);
  });

  it('archives the instances with their hashes and Orthanc’s own metadata, a new document only when one changed', async () => {
    const study = await loaded('archived', 3);
    await sync(study);
    await sync(study);

    const archived = await readArchivedStudy(archive.archive.objects, study.studies, noFindings);
    const instances = archived?.document.series.flatMap((series) => series.instances) ?? [];
    const expected = study.files.map(({ id, md5, sizeBytes }) => ({ id, md5, sizeBytes }));
    expect(instances.map(({ id, md5, sizeBytes }) => ({ id, md5, sizeBytes }))).toEqual(
      expected.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    );
    expect(instances[0]?.systemMetadata).toMatchObject({ Origin: 'RestApi', TransferSyntax: '1.2.840.10008.1.2.1' });
    expect(archived?.document.tags).toMatchObject({ AccessionNumber: 'GENERATED', StudyDate: '20240229' });
    expect(archived?.document.series[0]?.tags).toMatchObject({ Modality: 'OT' });
    const patient = await readArchivedPatient(archive.archive.objects, study.patients, noFindings);
    expect(patient?.document.tags.PatientID).toMatch(/^GENERATED-/);
    expect(await keysBelow(`studies/${study.studies}/`)).toHaveLength(1);
    expect(await keysBelow(`patients/${study.patients}/`)).toHaveLength(1);

    await put(source.url, `/studies/${study.studies}/metadata/1030`, 'new');
    await sync(study);
    expect(await keysBelow(`studies/${study.studies}/`)).toHaveLength(2);
    expect(await keysBelow(`patients/${study.patients}/`)).toHaveLength(1);
  });

  it('says once what the target cannot hold', async () => {
    const study = await loaded('limits');
    if (from === 'new') await put(source.url, `/studies/${study.studies}/labels/seen`);
    const reported: string[] = [];
    const limitations = new Limitations(({ code }) => reported.push(code));

    await sync(study, limitations);
    await sync(study, limitations);

    const expected = from === 'new' && to === 'old' ? ['labels-unsupported', 'system-metadata'] : ['system-metadata'];
    expect(reported.toSorted()).toEqual(expected);
    const archived = await readArchivedStudy(archive.archive.objects, study.studies, noFindings);
    expect(archived?.document.labels).toEqual(from === 'new' ? ['seen'] : []);
  });

  async function keysBelow(folder: string): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of archive.archive.objects.list(folder)) keys.push(key);
    return keys;
  }
});
