import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SidecarSync } from '../../core/mirror/sidecar-sync.ts';
import { type ApplyOptions, applyStudySidecar } from '../../core/sidecars/apply-sidecar.ts';
import { archiveSidecar, readArchivedStudy } from '../../core/sidecars/archive-sidecar.ts';
import {
  attachmentsOfArchive,
  attachmentsOfServer,
  type OpenAttachment,
} from '../../core/sidecars/attachment-source.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import { readStudySidecar } from '../../core/sidecars/read-sidecar.ts';
import { studyOfChange } from '../../core/sidecars/study-of-change.ts';
import { syncStudy } from '../../core/sidecars/sync-study.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { newOrthanc, oldOrthanc, orthancVersions } from '../../local/orthanc-versions.ts';
import { noFindings } from '../support/no-findings.ts';
import { countRequests } from '../support/orthanc/count-requests.ts';
import { json, put, remove, text } from '../support/orthanc/rest.ts';
import {
  generateStudy,
  type ServerUnderTest,
  startServer,
  temporaryArchive,
} from '../support/orthanc/study-fixture.ts';
import { upload } from '../support/orthanc/upload.ts';

const versions = orthancVersions().map(({ version }) => version);

describe.each(versions)('a target that others write to, Orthanc %s with CheckRevisions', (version) => {
  let target: ServerUnderTest;
  beforeAll(async () => {
    target = await startServer(version, { CheckRevisions: true });
  });
  afterAll(() => target?.stop());

  /** A study on the target, and the document of a source that has attachment 1040 with the bytes `wanted`. */
  async function prepared(seed: string, wanted: string) {
    const study = generateStudy(seed, 1);
    await upload(target.url, study.files);
    const path = `/studies/${study.studies}/attachments/1040`;
    await put(target.url, path, wanted);
    const document = await readStudySidecar(target.server, study.studies);
    const etag = (await fetch(`${target.url}${path}/md5`)).headers.get('etag') ?? '';
    await fetch(target.url + path, { method: 'DELETE', headers: { 'if-match': etag } });
    return { document, path };
  }

  const bytes = (value: string) => ({
    sizeBytes: Buffer.byteLength(value),
    body: (async function* () {
      yield Buffer.from(value.slice(0, 2));
      yield Buffer.from(value.slice(2));
    })(),
    cancel: () => undefined,
  });

  function options(attachments: OpenAttachment): ApplyOptions {
    return { attachments, limitations: new Limitations() };
  }

  it('is read again when somebody writes the same attachment in between, and then holds what the document says', async () => {
    const { document, path } = await prepared('between', 'wanted');
    await put(target.url, path, 'before');
    let opened = 0;
    const applied = await applyStudySidecar(
      document,
      target.server,
      options(async () => {
        opened += 1;
        // The revision to be replaced is known by now; this makes it stale.
        if (opened === 1) {
          const etag = (await fetch(`${target.url}${path}/md5`)).headers.get('etag') ?? '';
          await fetch(target.url + path, { method: 'PUT', body: 'theirs', headers: { 'if-match': etag } });
        }
        return bytes('wanted');
      }),
    );
    expect(opened).toBe(2);
    expect(applied.changes).toHaveLength(1);
    expect(await text(target.url, `${path}/data`)).toBe('wanted');
  });

  it('does not take an attachment whose bytes are not those of the document', async () => {
    const { document, path } = await prepared('wrong', 'wanted');
    const attachments = attachmentsOfArchive({
      name: 'storage',
      get: () => Promise.resolve({ ...bytes('wronge'), bodyBytes: 6, key: '', etag: '', lastModified: new Date(0) }),
    });
    const attempt = applyStudySidecar(document, target.server, options(attachments));
    await expect(attempt).rejects.toMatchObject({ code: 'hash-mismatch', disposition: 'retry' });
    expect(await text(target.url, `${path}/md5`)).toBeUndefined();
  });
});

describe.each(versions)('a study on Orthanc %s', (version) => {
  let server: ServerUnderTest;
  beforeAll(async () => {
    server = await startServer(version, { LimitFindResults: 2, LimitFindInstances: 3, StableAge: 1 });
  });
  afterAll(() => server?.stop());

  it('is read completely although the server lowers limits silently', async () => {
    const study = generateStudy('limits', 10);
    await upload(server.url, study.files);
    const document = await readStudySidecar(server.server, study.studies);
    const read = document.series.flatMap(({ instances }) => instances.map(({ id, md5 }) => ({ id, md5 })));
    expect(read).toEqual(study.files.map(({ id, md5 }) => ({ id, md5 })).toSorted((a, b) => (a.id < b.id ? -1 : 1)));
  });

  it('is told by the change feed whatever level was written to, and not once it is gone', async () => {
    const study = generateStudy('changes', 1);
    await upload(server.url, study.files);
    const since = await server.store.lastChange();
    await put(server.url, `/instances/${study.instances}/metadata/1030`, 'a');
    await put(server.url, `/series/${study.series}/attachments/1040`, 'a');
    await put(server.url, `/studies/${study.studies}/metadata/1030`, 'a');
    await put(server.url, `/patients/${study.patients}/attachments/1040`, 'a');
    const { changes } = await server.store.readChanges({ since, limit: 100 });
    const written = changes.filter(({ type }) => type.startsWith('Updated'));
    expect(written.map(({ level }) => level)).toEqual(['instances', 'series', 'studies', 'patients']);
    for (const change of written) expect(await studyOfChange(server.server, change)).toBe(study.studies);
    const ofInstance = { type: 'NewInstance', level: 'instances', id: study.instances } as const;
    expect(await studyOfChange(server.server, ofInstance)).toBeUndefined();

    await remove(server.url, `/studies/${study.studies}`);
    for (const change of written.filter(({ level }) => level !== 'studies')) {
      expect(await studyOfChange(server.server, change)).toBeUndefined();
    }
  });

  it('that is gone is reported as vanished, one whose server is down as failed', async () => {
    const archive = await temporaryArchive();
    const options = {
      source: server.server,
      targets: [],
      archive: { destination: { role: 'archive', store: archive.archive }, objects: archive.archive.objects },
      limitations: new Limitations(),
      ...noFindings,
    } as const;
    try {
      const gone = await syncStudy(generateStudy('nowhere', 1).studies, options);
      expect(gone.outcomes).toMatchObject([{ kind: 'vanished', at: 'source' }]);
      await server.running.kill();
      const down = await syncStudy(generateStudy('nowhere', 1).studies, options);
      expect(down.outcomes).toMatchObject([{ kind: 'failed', at: 'source', error: { code: 'unreachable' } }]);
    } finally {
      await archive.remove();
      await server.running.restart();
    }
  });
});

describe('reading a study', () => {
  it('costs three requests on a new server, however many instances it has', async () => {
    await using(newOrthanc().version, async (server) => {
      const study = generateStudy('cost', 20);
      await upload(server.url, study.files);
      const { requests } = await countRequests(server.url, () => readStudySidecar(server.server, study.studies));
      expect(requests).toEqual(['POST /tools/find', 'POST /tools/find', 'POST /tools/find']);
    });
  });

  it('costs one request per instance and six more on an old server, and six when an earlier document is known', async () => {
    await using(oldOrthanc().version, async (server) => {
      const study = generateStudy('cost', 20);
      await upload(server.url, study.files);
      const first = await countRequests(server.url, () => readStudySidecar(server.server, study.studies));
      expect(first.requests).toHaveLength(26);
      const again = await countRequests(server.url, () =>
        readStudySidecar(server.server, study.studies, { earlier: first.result }),
      );
      expect(again.requests).toHaveLength(6);
      expect(again.result).toEqual(first.result);
    });
  });
});

it('synchronizes a patient once, however many studies it has', async () => {
  await using source = await serverUntilEnd(oldOrthanc().version);
  await using target = await serverUntilEnd(newOrthanc().version);
  const archive = await temporaryArchive();
  const files = Array.from({ length: 12 }, (_, study) =>
    generateInstance({ seed: 'patient once', patient: 0, study, series: 0, instance: 0 }, 2200),
  );
  try {
    for (const { url } of [source, target]) await upload(url, files);
    for (const file of files) await archive.archive.store(file, file.bytes);
    const sidecars = new SidecarSync({
      source: source.store,
      targets: [{ destination: { role: 'target', store: target.store }, store: target.store }],
      archive: { destination: { role: 'archive', store: archive.archive }, objects: archive.archive.objects },
      limitations: new Limitations(),
    });
    const [patient] = (await json(source.url, '/patients')) as string[];
    const { requests } = await countRequests(source.url, () => sidecars.reconcile(new Map(), {}));
    expect(sidecars.counts).toMatchObject({ copied: 12, failed: 0 });
    // Once for the fingerprints of all studies, and once to bring it.
    expect(requests.filter((request) => request === `GET /patients/${patient}`)).toHaveLength(2);
  } finally {
    await archive.remove();
  }
});

it('restores what was attached from the archive alone', async () => {
  const archive = await temporaryArchive();
  const { objects } = archive.archive;
  const study = generateStudy('restored', 2);
  try {
    await using(newOrthanc().version, async (source) => {
      await upload(source.url, study.files);
      await put(source.url, `/instances/${study.instances}/attachments/1040`, new Uint8Array(300_000).fill(3));
      await put(source.url, `/series/${study.series}/labels/one`);
      const document = await readStudySidecar(source.server, study.studies);
      await archiveSidecar(objects, document, {
        attachments: attachmentsOfServer(source.store.client),
        ...noFindings,
      });
    });
    await using(newOrthanc().version, async (target) => {
      await upload(target.url, study.files);
      const archived = await readArchivedStudy(objects, study.studies, noFindings);
      if (archived === undefined) throw new Error('nothing was archived');
      const options = { attachments: attachmentsOfArchive(objects), limitations: new Limitations() };
      const { changes, lacking } = await applyStudySidecar(archived.document, target.server, options);
      expect(changes.map(({ kind }) => kind)).toEqual(['put-label', 'put-attachment']);
      expect(lacking).toEqual([]);
      expect(await text(target.url, `/instances/${study.instances}/attachments/1040/size`)).toBe('300000');
      expect(await json(target.url, `/series/${study.series}/labels`)).toEqual(['one']);
    });
  } finally {
    await archive.remove();
  }
});

async function serverUntilEnd(version: string): Promise<ServerUnderTest & AsyncDisposable> {
  const server = await startServer(version);
  return { ...server, [Symbol.asyncDispose]: () => server.stop() };
}

async function using(version: string, work: (server: ServerUnderTest) => Promise<void>): Promise<void> {
  const server = await startServer(version);
  try {
    await work(server);
  } finally {
    await server.stop();
  }
}
