import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OrthancId } from '../../core/identifiers.ts';
import { differingStudies } from '../../core/sidecars/differing-studies.ts';
import { commonScope, fingerprintOf } from '../../core/sidecars/fingerprint.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import { listArchivedFingerprints, listStudyFingerprints } from '../../core/sidecars/list-fingerprints.ts';
import { readPatientSidecar, readStudySidecar } from '../../core/sidecars/read-sidecar.ts';
import { syncStudy } from '../../core/sidecars/sync-study.ts';
import { generateInstances } from '../../local/dicom/generate.ts';
import { newOrthanc, oldOrthanc, orthancVersions } from '../../local/orthanc-versions.ts';
import { noFindings } from '../support/no-findings.ts';
import { countRequests } from '../support/orthanc/count-requests.ts';
import { json, put, remove } from '../support/orthanc/rest.ts';
import { type ServerUnderTest, startServer, temporaryArchive } from '../support/orthanc/study-fixture.ts';
import { upload } from '../support/orthanc/upload.ts';

/** Three patients with five studies of two series. */
const files = [...generateInstances('fingerprints', 250, 2048)].filter((_, n) => n % 5 === 0);

async function start(version: string): Promise<ServerUnderTest> {
  // Silently lowers the limit of every search: no page may be taken for the last one because it is short.
  const server = await startServer(version, { LimitFindResults: 3, LimitFindInstances: 3 });
  await upload(server.url, files);
  return server;
}

async function first(server: ServerUnderTest, level: string, study: OrthancId): Promise<string> {
  const found = (await json(server.url, `/studies/${study}/${level}?expand`)) as { ID: string }[];
  return `/${level}/${found[0]?.ID}`;
}

describe.each(orthancVersions().map(({ version }) => version))(
  'fingerprints of the studies of Orthanc %s',
  (version) => {
    let server: ServerUnderTest;
    let studies: OrthancId[];
    beforeAll(async () => {
      server = await start(version);
      studies = ((await json(server.url, '/studies')) as OrthancId[]).toSorted();
    });
    afterAll(() => server?.stop());

    const list = () => Array.fromAsync(listStudyFingerprints(server.server, { scope: scope() }));
    const scope = () => commonScope([server.server]);

    it('are listed in order and equal those of the sidecars, before and after things are attached', async () => {
      expect((await list()).map(({ studyId }) => studyId)).toEqual(studies);
      const [study] = studies;
      if (study === undefined) throw new Error('there is no study');
      for (const path of [
        `/studies/${study}`,
        await first(server, 'series', study),
        await first(server, 'instances', study),
      ]) {
        await put(server.url, `${path}/metadata/1030`, path);
        await put(server.url, `${path}/attachments/1040`, path);
        if (server.server.capabilities.hasLabels) await put(server.url, `${path}/labels/one`);
      }
      for (const { studyId, fingerprint } of await list()) {
        const document = await readStudySidecar(server.server, studyId);
        const patient = await readPatientSidecar(server.server, document.patientId);
        expect(fingerprint).toBe(fingerprintOf(document, patient, scope()));
        expect(fingerprint === '').toBe(studyId !== study);
      }
    });

    it.each([
      ['a label of an instance', 'instances', 'labels/two'],
      ['a label of a series', 'series', 'labels/two'],
      ['metadata of an instance', 'instances', 'metadata/1031'],
      ['an attachment of a series', 'series', 'attachments/1041'],
    ] as const)('change with %s, of that study only', async (_, level, what) => {
      if (what.startsWith('labels') && !server.server.capabilities.hasLabels) return;
      const study = studies.at(-1);
      if (study === undefined) throw new Error('there is no study');
      const before = await list();
      const path = `${await first(server, level, study)}/${what}`;
      await put(server.url, path, 'new');
      expect(
        await Array.fromAsync(differingStudies(listStudyFingerprints(server.server, { scope: scope() }), each(before))),
      ).toEqual([study]);
      await remove(server.url, path);
      expect(await list()).toEqual(before);
    });

    it('change with the protection of the patient, for all its studies', async () => {
      const before = await list();
      const [study] = studies;
      if (study === undefined) throw new Error('there is no study');
      const { patientId } = await readStudySidecar(server.server, study);
      const ofPatient = (await json(server.url, `/patients/${patientId}`)) as { Studies: string[] };
      await put(server.url, `/patients/${patientId}/protected`, '1');
      const after = listStudyFingerprints(server.server, { scope: scope() });
      expect(await Array.fromAsync(differingStudies(after, each(before)))).toEqual(ofPatient.Studies.toSorted());
      await put(server.url, `/patients/${patientId}/protected`, '0');
    });
  },
);

describe('fingerprints', () => {
  it('find what differs between an old and a new server and the archive, and nothing after synchronizing', async () => {
    const [source, target, archive] = await Promise.all([
      start(newOrthanc().version),
      start(oldOrthanc().version),
      temporaryArchive(),
    ]);
    try {
      const [labelled, annotated] = ((await json(source.url, '/studies')) as OrthancId[]).toSorted();
      await put(source.url, `/studies/${labelled}/labels/seen`);
      await put(source.url, `/studies/${annotated}/metadata/1030`, 'noted');
      const scopes = { target: commonScope([source.server, target.server]), archive: commonScope([source.server]) };
      const differing = async (other: 'target' | 'archive') => {
        const options = { scope: scopes[other] };
        const others =
          other === 'target'
            ? listStudyFingerprints(target.server, options)
            : listArchivedFingerprints(archive.archive.objects, { ...options, ...noFindings });
        return Array.fromAsync(differingStudies(listStudyFingerprints(source.server, options), others));
      };
      expect(await differing('target')).toEqual([annotated]);
      const missing = await differing('archive');
      expect(missing).toHaveLength(5);

      for (const file of files) await archive.archive.store(file, file.bytes);
      const limitations = new Limitations();
      for (const study of missing) {
        await syncStudy(study, {
          source: source.server,
          targets: [{ destination: { role: 'target', store: target.store }, server: target.server }],
          archive: { destination: { role: 'archive', store: archive.archive }, objects: archive.archive.objects },
          limitations,
          ...noFindings,
        });
      }
      expect(await differing('target')).toEqual([]);
      expect(await differing('archive')).toEqual([]);
    } finally {
      await Promise.all([source.stop(), target.stop(), archive.remove()]);
    }
  });

  it('cost two requests for each level on a new server, however many resources it has', async () => {
    const source = await start(newOrthanc().version);
    try {
      const scope = commonScope([source.server]);
      const { requests } = await countRequests(source.url, () =>
        Array.fromAsync(listStudyFingerprints(source.server, { scope })),
      );
      const ofProtection = source.server.capabilities.listsProtection ? 0 : 3;
      expect(requests).toHaveLength(4 * 2 + ofProtection);
    } finally {
      await source.stop();
    }
  });
});

async function* each<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}
