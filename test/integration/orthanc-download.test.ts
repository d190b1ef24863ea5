/** What a source server can do to a download, and what we make of it. */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';
import { type OrthancStore, openOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { type Effect, type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { upload } from '../support/orthanc/upload.ts';

const small = generateInstance(placeOfNth('download', 0), 10 * 1024);
const large = generateInstance(placeOfNth('download', 1), 50 * 1024 * 1024);

describe.each([oldOrthanc(), newOrthanc()])('a download from Orthanc $version', ({ version }) => {
  let server: OrthancServer;
  let proxy: FaultProxy;
  let store: OrthancStore;
  beforeAll(async () => {
    server = await startOrthanc({ version });
    proxy = await startFaultProxy(server.url);
    await upload(server.url, [small, large]);
  });
  afterAll(async () => {
    await proxy?.close();
    await server?.stop();
  });
  beforeEach(() => {
    proxy.repair();
    proxy.forget();
    store = openOrthancStore({ url: proxy.url, name: 'source' });
  });
  afterEach(() => store.close());

  const read = async ({ id }: { id: typeof small.id }) => {
    const opened = await store.open(id);
    return { ...opened, bytes: Buffer.concat(await Array.fromAsync(opened.body)) };
  };

  it.each([small, large])('takes one request, which tells hash and size', async (instance) => {
    const { md5, sizeBytes, bytes } = await read(instance);
    expect({ md5, sizeBytes }).toEqual({ md5: instance.md5, sizeBytes: instance.sizeBytes });
    expect(md5Of(bytes)).toBe(instance.md5);
    expect(proxy.seen).toMatchObject([{ path: `/instances/${instance.id}/attachments/dicom/data` }]);
  });

  describe.each([small, large])('of an instance', (instance) => {
    const atByte = instance.sizeBytes - 9;
    it.each<[Effect & { kind: 'cut' }, string]>([
      [{ kind: 'cut', body: 'answer', atByte, how: 'close' }, 'body-short'],
      [{ kind: 'cut', body: 'answer', atByte, how: 'reset' }, 'unreachable'],
    ])('that is cut fails: %j', async (effect, code) => {
      proxy.break({ effect });
      await expect(read(instance)).rejects.toMatchObject({ code, disposition: 'retry' });
      proxy.repair();
      expect(md5Of((await read(instance)).bytes)).toBe(instance.md5);
    });

    it('that is cut as if complete shows in its hash', async () => {
      proxy.break({ effect: { kind: 'cut', body: 'answer', atByte, how: 'shorter' } });
      const { md5, bytes } = await read(instance);
      expect(bytes).toHaveLength(atByte);
      expect(md5).toBe(instance.md5);
      expect(md5Of(bytes)).not.toBe(md5);
    });

    it('whose length is not told is not read: nobody could tell its end from a cut', async () => {
      proxy.break({ effect: { kind: 'cut', body: 'answer', atByte, how: 'chunked' } });
      await expect(read(instance)).rejects.toMatchObject({ code: 'answer-malformed', disposition: 'reject' });
    });
  });

  it('ends a server that stops in the middle', async () => {
    const impatient = openOrthancStore({ url: proxy.url, timeouts: { queryMs: 1000, longMs: 1000 } }, () => undefined);
    proxy.break({ effect: { kind: 'delay', ms: 10_000 } });
    await expect(impatient.open(small.id)).rejects.toMatchObject({ code: 'unreachable' });
    await impatient.close();
  });

  it.each([
    [429, 2],
    [500, 2],
    [502, 3],
    [503, 1],
  ])('is repeated after %i, %i times', async (status, times) => {
    proxy.break({ effect: { kind: 'status', status }, times });
    expect((await read(small)).bytes).toHaveLength(small.sizeBytes);
    expect(proxy.seen).toHaveLength(times + 1);
  });

  it('is given up after four tries, and at once when it cannot pass', async () => {
    proxy.break({ effect: { kind: 'status', status: 503 } });
    await expect(read(small)).rejects.toMatchObject({ code: 'busy', disposition: 'retry' });
    expect(proxy.seen).toHaveLength(4);
    proxy.break({ effect: { kind: 'status', status: 403 } });
    await expect(read(small)).rejects.toMatchObject({ code: 'forbidden', disposition: 'halt' });
    expect(proxy.seen).toHaveLength(5);
  });

  it('uses its connections again, and never more than allowed', async () => {
    const single = openOrthancStore({ url: server.url, maxConnections: 2 });
    await Promise.all(Array.from({ length: 20 }, () => single.lookup(small.id)));
    const { connected } = single.client.connections;
    expect(connected).toBeLessThanOrEqual(2);
    await single.close();
  });

  it('of an instance that is gone, or whose file is gone, says which', async () => {
    await using own = await startOrthanc({ version, config: { MaximumStorageCacheSize: 0 } });
    const [lost, gone] = [generateInstance(placeOfNth('lost', 0), 66_666), small];
    await upload(own.url, [lost]);
    await removeFilesOf(own.storageFolder, lost.sizeBytes);
    await own.restart();
    const direct = openOrthancStore({ url: own.url, name: 'source' });
    await expect(direct.open(lost.id)).rejects.toMatchObject({ code: 'source-corrupt', disposition: 'reject' });
    await expect(direct.open(gone.id)).rejects.toMatchObject({ code: 'vanished', disposition: 'skip' });
    await direct.close();
  });

  it('of instances that are stored compressed gives the bytes that were stored', async () => {
    await using own = await startOrthanc({ version, config: { StorageCompression: true } });
    await upload(own.url, [small]);
    const direct = openOrthancStore({ url: own.url });
    const opened = await direct.open(small.id);
    expect(opened).toMatchObject({ md5: small.md5, sizeBytes: small.sizeBytes });
    expect(md5Of(Buffer.concat(await Array.fromAsync(opened.body)))).toBe(small.md5);
    expect(await direct.lookup(small.id)).toEqual([{ id: small.id, md5: small.md5, sizeBytes: small.sizeBytes }]);
    const [entry] = await Array.fromAsync(direct.inventory());
    expect([undefined, small.md5]).toContain(entry?.md5);
    await direct.close();
  });
});

async function removeFilesOf(folder: string, sizeBytes: number): Promise<void> {
  const names = await readdir(folder, { recursive: true });
  const paths = names.map((name) => join(folder, name));
  const sizes = await Promise.all(paths.map((path) => stat(path)));
  const found = paths.filter((_, index) => sizes[index]?.isFile() && sizes[index].size === sizeBytes);
  expect(found).toHaveLength(1);
  for (const path of found) await rm(path);
}
