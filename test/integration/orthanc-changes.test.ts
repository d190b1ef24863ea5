/** The change feed of real servers. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OrthancStore, openOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import { generateInstances } from '../../local/dicom/generate.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { remove, upload } from '../support/orthanc/upload.ts';

describe.each([oldOrthanc(), newOrthanc()])('the change feed of Orthanc $version', ({ version }) => {
  let server: OrthancServer;
  let proxy: FaultProxy;
  let store: OrthancStore;
  const instances = [...generateInstances('changes', 5, 2048)];
  beforeAll(async () => {
    server = await startOrthanc({ version });
    proxy = await startFaultProxy(server.url);
    store = openOrthancStore({ url: proxy.url });
  });
  afterAll(async () => {
    await store?.close();
    await proxy?.close();
    await server?.stop();
  });

  it('is empty at first', async () => {
    expect(await store.lastChange()).toBe(0);
    expect(await store.readChanges({ since: 0, limit: 10 })).toEqual({ changes: [], done: true, last: 0 });
  });

  it('tells what came, page by page, and where it ends', async () => {
    await upload(server.url, instances);
    const last = await store.lastChange();
    const seen = [];
    for (let since = 0, done = false; !done; ) {
      const page = await store.readChanges({ since, limit: 3 });
      expect(page.changes.length).toBeLessThanOrEqual(3);
      seen.push(...page.changes);
      ({ done, last: since } = page);
    }
    expect(seen.map(({ seq }) => seq)).toEqual(Array.from({ length: last }, (_, index) => index + 1));
    const arrived = seen.filter(({ type }) => type === 'NewInstance');
    expect(arrived.map(({ id, level }) => [level, id])).toEqual(instances.map(({ id }) => ['instances', id]));
    expect(arrived[0]?.date).toMatch(/^\d{8}T\d{6}$/);
  });

  it('keeps its last number when what it told of is gone, and beyond its end', async () => {
    const last = await store.lastChange();
    await remove(
      server.url,
      instances.map(({ id }) => id),
    );
    expect(await store.lastChange()).toBe(last);
    expect(await store.readChanges({ since: last + 100, limit: 10 })).toEqual({ changes: [], done: true, last });
  });

  it('is not asked what it would answer wrongly', async () => {
    proxy.forget();
    await expect(store.readChanges({ since: 0, limit: 0 })).rejects.toThrow(RangeError);
    await expect(store.readChanges({ since: 2 ** 31, limit: 10 })).rejects.toMatchObject({ code: 'answer-malformed' });
    expect(proxy.seen).toEqual([]);
  });
});
