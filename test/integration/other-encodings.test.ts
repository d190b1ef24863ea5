/** Instances whose id depends on how a server reads text: what is sent to it, and what is not. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { replaceInstance } from '../../core/archive-life/repair/replace-conflicts.ts';
import { repairOnServer } from '../../core/archive-life/repair/replace-on-server.ts';
import type { OrthancEncoding } from '../../core/dicom/charset.ts';
import { readIdentifyingElements } from '../../core/dicom/identifier-reader.ts';
import { givenIds } from '../../core/dicom/identifying-elements.ts';
import { type InstanceId, isInstanceId, md5Of } from '../../core/identifiers.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import { studyServerOf } from '../../core/sidecars/study-server.ts';
import { type OrthancStore, openOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import { identifiedFile } from '../../local/dicom/identified-file.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { temporaryArchive } from '../support/orthanc/study-fixture.ts';

const limitations = new Limitations();
let files = 0;

/** A file that names no character set, with a PatientID of `Mü` in Latin-1. */
function umlaut(comment = '') {
  const bytes = identifiedFile({ uid: `1.2.3.4.${files}`, patientId: Buffer.from('M\u00fc', 'latin1'), comment });
  const elements = readIdentifyingElements(bytes);
  if (elements === undefined) throw new Error('it has its identifiers');
  const idIn = (encoding: OrthancEncoding) => givenIds(elements, encoding).id;
  const as = (id: InstanceId) => ({ id, md5: md5Of(bytes), sizeBytes: bytes.length });
  return { bytes, idIn, as };
}

describe.each([oldOrthanc(), newOrthanc()])('Orthanc $version', ({ version }) => {
  let server: OrthancServer;
  let proxy: FaultProxy;
  let store: OrthancStore;
  beforeAll(async () => {
    server = await startOrthanc({ version });
    proxy = await startFaultProxy(server.url);
  });
  afterAll(async () => {
    await proxy?.close();
    await server?.stop();
  });
  beforeEach(() => {
    files += 1;
    store = openOrthancStore({ url: proxy.url, name: 'target' });
    proxy.repair();
    proxy.forget();
  });
  afterEach(async () => {
    for (const id of await held()) await store.delete(id);
    await store.close();
  });

  async function held(): Promise<readonly InstanceId[]> {
    const answer = await fetch(`${server.url}/instances`);
    return z.array(z.custom<InstanceId>(isInstanceId)).parse(await answer.json());
  }
  async function readIn(encoding: OrthancEncoding): Promise<void> {
    await fetch(`${server.url}/tools/default-encoding`, { method: 'PUT', body: encoding });
  }
  async function put(bytes: Uint8Array): Promise<void> {
    await fetch(`${server.url}/instances`, { method: 'POST', body: Uint8Array.from(bytes) });
  }
  /** What was asked that changes something; POSTs below `/tools` only ask. */
  const sent = () =>
    proxy.seen.filter(({ method, path }) => method !== 'GET' && !path.startsWith('/tools')).map(({ method }) => method);

  it('that tells its encoding gets the instance under the id that it gives, and under no other', async () => {
    await readIn('Greek');
    const { bytes, idIn, as } = umlaut();
    await expect(store.store(as(idIn('Latin1')), bytes)).rejects.toMatchObject({
      code: 'wrong-id',
      disposition: 'reject',
      message: expect.stringMatching(new RegExp(`as ${idIn('Greek')}.*\\(.*Latin1.* would do\\)`)),
    });
    expect([sent(), await held()]).toEqual([[], []]);
    expect(await store.store(as(idIn('Greek')), bytes)).toEqual({ kind: 'stored' });
  });

  it('whose encoding is changed while we are connected is asked again', async () => {
    await readIn('Greek');
    const [before, after] = [umlaut(), umlaut('other')];
    await store.store(before.as(before.idIn('Greek')), before.bytes);
    await store.delete(before.idIn('Greek'));
    await readIn('Cyrillic');
    expect(await store.store(after.as(after.idIn('Cyrillic')), after.bytes)).toEqual({ kind: 'stored' });
  });

  describe.each([403, 404])('that answers %i when it is asked for its encoding', (status) => {
    beforeEach(() => {
      proxy.break({ matches: ({ path }) => path.includes('default-encoding'), effect: { kind: 'status', status } });
    });

    it('gets the instance under the id that it gives', async () => {
      await readIn('Greek');
      const { bytes, idIn, as } = umlaut();
      expect(await store.store(as(idIn('Greek')), bytes)).toEqual({ kind: 'stored' });
      expect(await held()).toEqual([idIn('Greek')]);
    });

    it('keeps nothing of ours under another id, and is not given up for it', async () => {
      await readIn('Greek');
      const { bytes, idIn, as } = umlaut();
      const stored = store.store(as(idIn('Latin1')), bytes);
      await expect(stored).rejects.toMatchObject({ code: 'wrong-id', disposition: 'reject' });
      expect([sent(), await held()]).toEqual([['POST', 'DELETE'], []]);
    });

    it('keeps its own under another id, and is sent nothing', async () => {
      await readIn('Greek');
      const [own, ours] = [umlaut('its own'), umlaut()];
      await put(own.bytes);
      const stored = store.store(ours.as(ours.idIn('Latin1')), ours.bytes);
      await expect(stored).rejects.toMatchObject({ code: 'wrong-id', disposition: 'reject' });
      expect([sent(), await held()]).toEqual([[], [own.idIn('Greek')]]);
    });

    it('is not taken for one that changes identifiers, whatever it answers', async () => {
      await readIn('Korean');
      const { bytes, idIn, as } = umlaut();
      const stored = store.store(as(idIn('Latin1')), bytes);
      await expect(stored).rejects.toMatchObject({ code: 'wrong-id', disposition: 'reject' });
    });
  });

  it('whose encoding was changed since loses nothing to a replacement or a repair', async () => {
    await readIn('Latin1');
    const [held1, wanted] = [umlaut('held'), umlaut('wanted')];
    const id = wanted.idIn('Latin1');
    await put(held1.bytes);
    await readIn('Greek');
    await using cleanUp = new AsyncDisposableStack();
    const source = await startOrthanc({ version });
    cleanUp.defer(() => source.stop());
    await fetch(`${source.url}/instances`, { method: 'POST', body: Uint8Array.from(wanted.bytes) });
    const sourceStore = openOrthancStore({ url: source.url });
    cleanUp.defer(() => sourceStore.close());
    const safe = await temporaryArchive();
    cleanUp.defer(() => safe.remove());
    const { archive } = safe;
    const studyServer = await studyServerOf(store);
    const replaced = replaceInstance(id, {
      source: sourceStore,
      target: store,
      targetServer: studyServer,
      archive,
      limitations,
    });
    await expect(replaced).rejects.toMatchObject({ code: 'wrong-id' });
    const putRight = repairOnServer({ server: store, studyServer, safe: archive.objects, limitations });
    await expect(putRight(wanted.as(id), wanted.bytes, {})).rejects.toMatchObject({ code: 'wrong-id' });
    expect(sent()).toEqual([]);
    expect(await store.lookup(id)).toMatchObject([{ md5: md5Of(held1.bytes) }]);
  });
});
