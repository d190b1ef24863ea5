/** What a destination server can do to an upload, and what we make of it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';
import { type OrthancStore, openOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import { type GeneratedInstance, generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { startWithholdingProxy } from '../support/withholding-proxy.ts';

const sizes = [10 * 1024, 50 * 1024 * 1024];
let count = 0;

function fresh(sizeBytes = 4096): GeneratedInstance {
  count += 1;
  return generateInstance(placeOfNth('upload', count), sizeBytes);
}

function otherVersionOf(instance: GeneratedInstance): GeneratedInstance {
  const bytes = Uint8Array.from(instance.bytes);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  return { ...instance, bytes, md5: md5Of(bytes) };
}

async function* streamOf({ bytes }: GeneratedInstance): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += 65_536) yield bytes.subarray(offset, offset + 65_536);
}

describe.each([oldOrthanc(), newOrthanc()])('an upload to Orthanc $version', ({ version }) => {
  let server: OrthancServer;
  let proxy: FaultProxy;
  let direct: OrthancStore;
  let store: OrthancStore;
  beforeAll(async () => {
    server = await startOrthanc({ version });
    proxy = await startFaultProxy(server.url);
    direct = openOrthancStore({ url: server.url });
  });
  afterAll(async () => {
    await direct?.close();
    await proxy?.close();
    await server?.stop();
  });
  beforeEach(async () => {
    proxy.repair();
    store = openOrthancStore({ url: proxy.url, name: 'target' });
    await store.capabilities();
    proxy.forget();
  });
  afterEach(() => store.close());
  const isUpload = ({ method }: { method: string }) => method === 'POST';

  it('takes two requests of a server that was asked just now, with its length announced', async () => {
    const instance = fresh();
    expect(await store.store(instance, streamOf(instance), { isAbsent: true })).toEqual({ kind: 'stored' });
    expect(proxy.seen.map(({ method, requestBytes }) => [method, requestBytes])).toEqual([
      ['POST', instance.sizeBytes],
      ['GET', 0],
    ]);
  });

  it('asks first, and sends the first one twice, where the server does not tell whether it keeps what it holds', async () => {
    const [first, second] = [fresh(), fresh()];
    expect(await store.store(first, first.bytes)).toEqual({ kind: 'stored' });
    expect(await store.store(second, second.bytes)).toEqual({ kind: 'stored' });
    const { overwriteMode } = await store.capabilities();
    const methods = proxy.seen.map(({ method }) => method);
    const twice = overwriteMode === 'never' ? [] : ['POST', 'GET'];
    const before = overwriteMode === 'never' ? [] : ['GET'];
    expect(methods).toEqual([...before, 'POST', 'GET', ...twice, 'POST', 'GET']);
  });

  it.each([4096, 600_000])(
    'of %i bytes is proven by what is asked behind it, before its own answer is there',
    async (sizeBytes) => {
      await using wire = await startWithholdingProxy(server.url, (sent) => sent.includes('/attachments/dicom/md5'));
      const far = openOrthancStore({ url: wire.url, name: 'target' });
      onTestFinished(() => far.close());
      await far.capabilities();
      wire.withhold();
      const instance = fresh(sizeBytes);
      expect(await far.store(instance, streamOf(instance), { isAbsent: true })).toEqual({ kind: 'stored' });
    },
  );

  const isAskedBehind = ({ path }: { path: string }) => path.endsWith('/dicom/md5');
  it.each([
    ['knows nothing yet', { kind: 'status', status: 404 }],
    ['tells what was there before', { kind: 'answer', body: () => Buffer.from(md5Of(Buffer.of(1))) }],
    ['is cut off', { kind: 'drop', when: 'before' }],
  ] as const)('is asked for again where what was asked behind it %s', async (_, effect) => {
    const instance = fresh();
    proxy.break({ matches: isAskedBehind, effect });
    expect(await store.store(instance, instance.bytes, { isAbsent: true })).toEqual({ kind: 'stored' });
    expect(await direct.lookup(instance.id)).toMatchObject([{ md5: instance.md5 }]);
  });

  it('is not followed by questions that are always in vain', async () => {
    proxy.break({ matches: isAskedBehind, effect: { kind: 'status', status: 404 } });
    for (let n = 0; n < 10; n += 1) {
      const instance = fresh();
      expect(await store.store(instance, instance.bytes, { isAbsent: true })).toEqual({ kind: 'stored' });
    }
    expect(proxy.seen.filter(isAskedBehind)).toHaveLength(3);
  });

  it.each(sizes)('of %i bytes that are damaged on the way leaves nothing, and works after', async (sizeBytes) => {
    const instance = fresh(sizeBytes);
    proxy.break({ matches: isUpload, effect: { kind: 'corrupt', body: 'request', atByte: sizeBytes - 7 } });
    await expect(store.store(instance, streamOf(instance))).rejects.toMatchObject({
      code: 'hash-mismatch',
      disposition: 'retry',
    });
    expect(await direct.lookup(instance.id)).toEqual([]);
    proxy.repair();
    expect(await store.store(instance, streamOf(instance))).toEqual({ kind: 'stored' });
  });

  it.each(sizes)('of %i bytes that is cut on the way leaves nothing, and works after', async (sizeBytes) => {
    for (const how of ['close', 'reset'] as const) {
      const instance = fresh(sizeBytes);
      proxy.break({ matches: isUpload, effect: { kind: 'cut', body: 'request', atByte: sizeBytes - 7, how } });
      await expect(store.store(instance, streamOf(instance))).rejects.toMatchObject({ name: 'MirrorError' });
      expect(await direct.lookup(instance.id)).toEqual([]);
      proxy.repair();
      expect(await store.store(instance, streamOf(instance))).toEqual({ kind: 'stored' });
    }
  });

  it('whose answer is lost can be repeated', async () => {
    const instance = fresh();
    proxy.break({ matches: isUpload, times: 1, effect: { kind: 'drop', when: 'instead-of-answer' } });
    const lost = store.store(instance, streamOf(instance));
    await expect(lost).rejects.toMatchObject({ code: 'unreachable', disposition: 'retry' });
    expect(await store.store(instance, streamOf(instance))).toEqual({ kind: 'already-equal' });
  });

  it.each([
    [400, 'refused', 'reject'],
    [403, 'forbidden', 'halt'],
    [405, 'read-only', 'halt'],
    [409, 'busy', 'retry'],
    [413, 'refused', 'reject'],
    [429, 'busy', 'retry'],
    [500, 'server-error', 'retry'],
    [503, 'busy', 'retry'],
    [507, 'full', 'halt'],
  ])('answered %i early, with its body on the way, is %s', async (status, code, disposition) => {
    const instance = fresh(8 * 1024 * 1024);
    const headers = { 'retry-after': '3' };
    proxy.break({ matches: isUpload, effect: { kind: 'status', status, headers, early: true } });
    const stored = store.store(instance, streamOf(instance), { isAbsent: true });
    await expect(stored).rejects.toMatchObject({ code, disposition, retryAfterMs: 3000 });
    expect(proxy.seen).toHaveLength(1);
    expect(await direct.lookup(instance.id)).toEqual([]);
  });

  it('that is no DICOM file is refused before anything is sent', async () => {
    const bytes = Buffer.from('not DICOM');
    const notDicom = { ...fresh(), bytes, md5: md5Of(bytes), sizeBytes: bytes.length };
    await expect(store.store(notDicom, bytes)).rejects.toMatchObject({ code: 'not-dicom', disposition: 'reject' });
    expect(proxy.seen).toEqual([]);
  });

  it.each(sizes)('of %i bytes of another instance is refused before anything is sent', async (sizeBytes) => {
    const [expected, sent] = [fresh(), fresh(sizeBytes)];
    for (const body of [sent.bytes, streamOf(sent)]) {
      const stored = store.store({ ...sent, id: expected.id }, body);
      await expect(stored).rejects.toMatchObject({
        code: 'wrong-id',
        disposition: 'reject',
        message: expect.stringContaining(sent.id),
      });
    }
    expect(proxy.seen).toEqual([]);
  });

  it('of other bytes under a known id is a conflict, and changes nothing', async () => {
    const first = fresh();
    await store.store(first, first.bytes);
    const outcome = await store.store(otherVersionOf(first), otherVersionOf(first).bytes);
    expect(outcome).toEqual({ kind: 'conflict', md5: first.md5 });
    expect(await direct.lookup(first.id)).toMatchObject([{ md5: first.md5 }]);
  });

  it('throws what its body throws', async () => {
    const instance = fresh(1024 * 1024);
    async function* broken() {
      yield instance.bytes.subarray(0, 500_000);
      throw new RangeError('the source broke');
    }
    await expect(store.store(instance, broken())).rejects.toThrow(new RangeError('the source broke'));
    expect(await direct.lookup(instance.id)).toEqual([]);
  });
});

describe.each([oldOrthanc(), newOrthanc()])('Orthanc $version', ({ version }) => {
  async function withServer(config: Record<string, unknown>, use: (store: OrthancStore) => Promise<void>) {
    await using server = await startOrthanc({ version, config });
    const store = openOrthancStore({ url: server.url, name: 'target' });
    try {
      await use(store);
    } finally {
      await store.close();
    }
  }

  it('that keeps no hashes is read back', async () => {
    await withServer({ StoreMD5ForAttachments: false }, async (store) => {
      const instance = fresh();
      expect(await store.store(instance, instance.bytes)).toEqual({ kind: 'stored' });
      expect(await store.store(instance, instance.bytes)).toEqual({ kind: 'already-equal' });
      const other = otherVersionOf(instance);
      expect(await store.store(other, other.bytes)).toEqual({ kind: 'conflict', md5: instance.md5 });
      expect(await store.lookup(instance.id)).toEqual([{ id: instance.id, md5: undefined, sizeBytes: 4096 }]);
      const opened = await store.open(instance.id);
      expect(opened.md5).toBeUndefined();
      expect(md5Of(Buffer.concat(await Array.fromAsync(opened.body)))).toBe(instance.md5);
    });
  });

  it.each([true, false])('that overwrites keeps what it holds, with hashes: %s', async (keepsHashes) => {
    const config = { OverwriteInstances: true, StoreMD5ForAttachments: keepsHashes };
    await withServer(config, async (store) => {
      const instance = fresh();
      const other = otherVersionOf(instance);
      await store.store(instance, instance.bytes);
      await store.client.put(`/instances/${instance.id}/metadata/1024`, 'ours');
      expect(await store.store(instance, streamOf(instance))).toEqual({ kind: 'already-equal' });
      expect(await store.store(other, streamOf(other))).toEqual({ kind: 'conflict', md5: instance.md5 });
      const opened = await store.open(instance.id);
      expect(md5Of(Buffer.concat(await Array.fromAsync(opened.body)))).toBe(instance.md5);
      expect(await store.client.findText(`/instances/${instance.id}/metadata/1024`)).toBe('ours');
    });
  });

  it('that transcodes what it receives is told so, and keeps no copy', async () => {
    // Deflated explicit VR little endian.
    await withServer({ IngestTranscoding: '1.2.840.10008.1.2.1.99' }, async (store) => {
      const instance = fresh();
      const stored = store.store(instance, instance.bytes);
      await expect(stored).rejects.toMatchObject({
        code: 'hash-wrong',
        disposition: 'reject',
        message: expect.stringContaining('IngestTranscoding'),
      });
      expect(await store.lookup(instance.id)).toEqual([]);
    });
  });

  it('whose filter discards is told so', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'orthanc-filter-'));
    const script = join(folder, 'filter.lua');
    await writeFile(script, 'function ReceivedInstanceFilter(dicom, origin, info) return false end');
    try {
      await withServer({ LuaScripts: [script] }, async (store) => {
        const instance = fresh();
        const stored = store.store(instance, instance.bytes);
        await expect(stored).rejects.toMatchObject({ code: 'filtered-out', disposition: 'reject' });
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
