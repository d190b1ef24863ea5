/** Listings of real servers that change while they are listed, and of the files that real devices write. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type InstanceId, md5Of } from '../../core/identifiers.ts';
import { pagedInventory } from '../../core/stores/orthanc/inventory-paged.ts';
import { listInstancesOf } from '../../core/stores/orthanc/inventory-parents.ts';
import { type InventoryMemory, rememberedInventory } from '../../core/stores/orthanc/inventory-remembered.ts';
import { listStudyIds } from '../../core/stores/orthanc/list-study-ids.ts';
import { type OrthancStore, openOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import { generateInstances } from '../../local/dicom/generate.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { remove, upload } from '../support/orthanc/upload.ts';
import { sampleFiles } from '../support/sample-files.ts';
import { SeededRandom, testSeeds } from '../support/seeded-random.ts';

const storedSchema = z.object({ ID: z.string(), Status: z.literal('Success') });

describe.each([oldOrthanc(), newOrthanc()])('the inventory of Orthanc $version', ({ version }) => {
  let server: OrthancServer;
  let proxy: FaultProxy;
  let store: OrthancStore;
  beforeAll(async () => {
    // Limits of /tools/find must not cap a listing.
    server = await startOrthanc({ version, config: { LimitFindInstances: 7, LimitFindResults: 7 } });
    proxy = await startFaultProxy(server.url);
  });
  afterAll(async () => {
    await proxy?.close();
    await server?.stop();
  });
  beforeEach(() => {
    proxy.repair();
    store = openOrthancStore({ url: proxy.url });
  });
  afterEach(() => store.close());

  it('is that of every file which the server takes, with its hash, as real devices write them', async () => {
    const expected = new Map<string, string>();
    for (const bytes of await sampleFiles('inventory')) {
      const answer = await fetch(`${server.url}/instances`, { method: 'POST', body: Uint8Array.from(bytes) });
      const stored = storedSchema.safeParse(await answer.json());
      if (stored.success) expected.set(stored.data.ID, md5Of(bytes));
    }
    const ids = (await Array.fromAsync(store.inventory())).map(({ id }) => id);
    expect(ids).toEqual([...expected.keys()].sort());
    for (const id of ids) {
      expect(await store.lookup(id)).toMatchObject([{ id, md5: expected.get(id) }]);
      const opened = await store.open(id);
      expect(opened.md5).toBe(expected.get(id));
      expect(md5Of(Buffer.concat(await Array.fromAsync(opened.body)))).toBe(opened.md5);
    }
    await remove(server.url, ids);
  });

  it.each(testSeeds(10))('is whole though instances come and go meanwhile (seed %i)', async (seed) => {
    const random = new SeededRandom(seed);
    const all = [...generateInstances(`churn ${version} ${seed}`, 90, 2048)];
    const [lasting, passing, coming] = [all.slice(0, 40), all.slice(40, 70), all.slice(70)];
    await upload(server.url, [...lasting, ...passing]);
    const unchanging = await inventoryMeanwhile(proxy, store, async () => {
      const going = passing.splice(0, random.below(8));
      await remove(
        server.url,
        going.map(({ id }) => id),
      );
      await upload(server.url, coming.splice(0, random.below(5)));
    });
    expect(unchanging).toEqual([...new Set(unchanging)].sort());
    expect(unchanging).toEqual(expect.arrayContaining(lasting.map(({ id }) => id)));
    const left = (await Array.fromAsync(store.inventory())).map(({ id }) => id);
    await remove(server.url, left);
  });

  it('is whole, with its hashes, though the change feed was cleared and queries are capped', async () => {
    const instances = [...generateInstances(`cleared ${version}`, 40, 2048)];
    await upload(server.url, instances);
    await fetch(`${server.url}/changes`, { method: 'DELETE' });
    const listed = { client: store.client, capabilities: await store.capabilities() };
    const expected = instances
      .map(({ id, bytes }) => ({ id, md5: md5Of(bytes) }))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    const parts = new Map<number, Buffer>();
    const memory: InventoryMemory = {
      days: 30,
      today: () => 20_000,
      read: async (part) => parts.get(part),
      write: async (part, bytes) => void parts.set(part, bytes),
    };
    for (const _ of ['first', 'remembered']) {
      const entries = await Array.fromAsync(rememberedInventory(listed, memory, {}, { pageRows: 10 }));
      expect(entries.map(({ id, md5 }) => ({ id, md5 }))).toEqual(expected);
    }
    const byStudies: InstanceId[] = [];
    for (const study of await listStudyIds(store)) {
      byStudies.push(...(await listInstancesOf(listed, study, {})).map(({ id }) => id));
    }
    expect(byStudies.sort()).toEqual(expected.map(({ id }) => id));
    await remove(server.url, byStudies);
  });

  it('fails, instead of ending, when the server or the connection breaks off', async () => {
    const instances = [...generateInstances(`broken ${version}`, 20, 2048)];
    await upload(server.url, instances);
    await store.capabilities();
    proxy.break({ effect: { kind: 'cut', body: 'answer', atByte: 300, how: 'close' } });
    await expect(Array.fromAsync(store.inventory())).rejects.toMatchObject({ code: 'body-short' });
    proxy.break({ effect: { kind: 'cut', body: 'answer', atByte: 300, how: 'chunked' } });
    await expect(Array.fromAsync(store.inventory())).rejects.toMatchObject({ code: 'answer-malformed' });
    proxy.break({ effect: { kind: 'status', status: 404 } });
    await expect(Array.fromAsync(store.inventory())).rejects.toMatchObject({ code: 'not-orthanc' });
    await remove(
      server.url,
      instances.map(({ id }) => id),
    );
  });
});

/** Lists, and lets `change` happen before each page (of 10 on servers that page), or before the one listing. */
async function inventoryMeanwhile(
  proxy: FaultProxy,
  store: OrthancStore,
  change: () => Promise<void>,
): Promise<InstanceId[]> {
  const { hasExtendedFind } = await store.capabilities();
  proxy.break({ matches: ({ path }) => path.startsWith('/instances'), effect: { kind: 'call', call: change } });
  const listing = hasExtendedFind ? pagedInventory(store.client, {}, 10) : store.inventory();
  const ids = (await Array.fromAsync(listing)).map(({ id }) => id);
  proxy.repair();
  return ids;
}
