/** What a server does with an instance that it is given, and what is believed of it. */
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { readIdentifyingElements } from '../../core/dicom/identifier-reader.ts';
import { givenIds } from '../../core/dicom/identifying-elements.ts';
import { MirrorError } from '../../core/errors.ts';
import { md5Of } from '../../core/identifiers.ts';
import type { InstanceIdentity } from '../../core/stores/store.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { identifiedFile } from '../../local/dicom/identified-file.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type AskedRequest, newSystem, OrthancInMemory, oldSystem } from '../support/orthanc-in-memory.ts';

const place = placeOfNth('store-instance', 1);
const { bytes } = generateInstance(place, 4096);
const otherBytes = generateInstance(place, 6000).bytes;
const otherOfSize = Uint8Array.from(bytes);
otherOfSize[otherOfSize.length - 1] = (otherOfSize.at(-1) ?? 0) ^ 1;
const foreign = generateInstance(placeOfNth('store-instance', 2), 4096).bytes;

async function setUp(system: Readonly<Record<string, unknown>> = newSystem) {
  const server = new OrthancInMemory(system);
  const store = await server.connect();
  const id = new OrthancInMemory().put(bytes);
  const instance: InstanceIdentity = { id, md5: md5Of(bytes), sizeBytes: bytes.length };
  await store.capabilities();
  server.asked.length = 0;
  return { server, store, id, instance };
}

const isUpload = ({ method, path }: AskedRequest) => method === 'POST' && path === '/instances';
const uploads = (value: unknown) => (asked: AskedRequest) => (isUpload(asked) ? { status: 200, value } : undefined);

async function* inChunks(whole: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < whole.length; at += size) yield whole.subarray(at, at + size);
}

describe.each([
  ['that keeps what it holds', newSystem, ['POST', 'GET']],
  ['that does not tell whether it does', oldSystem, ['GET', 'POST', 'GET', 'POST', 'GET']],
  ['that overwrites', { ...newSystem, OverwriteInstances: true }, ['GET', 'POST', 'GET']],
])('a server %s', (_, system, methods) => {
  test('stores what it did not have, and proves it', async () => {
    const { server, store, id, instance } = await setUp(system);
    expect(await store.store(instance, bytes)).toEqual({ kind: 'stored' });
    expect(server.asked.map(({ method }) => method)).toEqual(methods);
    expect(md5Of(server.held.get(id)?.bytes ?? Buffer.of())).toBe(instance.md5);
  });

  test('is not asked before, where it was asked just now', async () => {
    const { server, store, instance } = await setUp(system);
    expect(await store.store(instance, inChunks(bytes), { isAbsent: true })).toEqual({ kind: 'stored' });
    expect(server.asked.map(({ method }) => method)).toEqual(['POST', 'GET']);
  });

  test.each([
    ['the same bytes', bytes, { kind: 'already-equal' }],
    ['other bytes', otherBytes, { kind: 'conflict', md5: md5Of(otherBytes) }],
  ])('that holds %s keeps them', async (_what, held, outcome) => {
    const { server, store, id, instance } = await setUp(system);
    server.put(held);
    expect(await store.store(instance, bytes)).toEqual(outcome);
    expect(server.held.get(id)?.bytes).toBe(held);
    expect(server.changes().filter((change) => change.startsWith('DELETE'))).toEqual([]);
  });
});

describe('a server that does not tell whether it keeps what it holds', () => {
  const foreignInstance = { id: new OrthancInMemory().put(foreign), md5: md5Of(foreign), sizeBytes: foreign.length };

  test.each([
    ['was found to keep it, is asked no more before', false, ['POST', 'GET']],
    ['was found to replace it, is asked before each upload', true, ['GET', 'POST', 'GET']],
  ])('and %s', async (_, overwrites, methods) => {
    const { server, store, instance } = await setUp(oldSystem);
    server.overwrites = overwrites;
    expect(await store.store(instance, bytes)).toEqual({ kind: 'stored' });
    server.asked.length = 0;
    expect(await store.store(foreignInstance, foreign)).toEqual({ kind: 'stored' });
    expect(server.asked.map(({ method }) => method)).toEqual(methods);
  });

  test('is asked again after a minute, as it may have been started with another configuration', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const { server, store, instance } = await setUp(oldSystem);
    await store.store(instance, bytes);
    vi.advanceTimersByTime(60_000);
    server.asked.length = 0;
    await store.store(foreignInstance, foreign);
    expect(server.asked.map(({ method }) => method)).toEqual(['GET', 'POST', 'GET', 'POST', 'GET']);
  });

  test('is sent nothing twice by which nothing is found out', async () => {
    const { server, store, instance } = await setUp(oldSystem);
    await store.store(instance, bytes, { isAbsent: true });
    await store.store(foreignInstance, inChunks(foreign));
    expect(server.asked.filter(isUpload)).toHaveLength(2);
  });
});

describe('a server that keeps no hashes', () => {
  const system = { ...newSystem, StoreMD5ForAttachments: false };

  test('is read back', async () => {
    const { store, instance } = await setUp(system);
    expect(await store.store(instance, bytes)).toEqual({ kind: 'stored' });
    expect(await store.store(instance, bytes)).toEqual({ kind: 'already-equal' });
  });

  test.each([
    ['of another size', otherBytes],
    ['of the same size', otherOfSize],
  ])('and holds other bytes %s is not believed', async (_, held) => {
    const { server, store, id, instance } = await setUp(system);
    server.put(held);
    expect(await store.store(instance, bytes)).toMatchObject({ kind: 'conflict' });
    expect(server.held.get(id)?.bytes).toBe(held);
  });
});

describe('bytes that were stored wrong', () => {
  /** Stores others than were sent. */
  const storing = (server: OrthancInMemory, others: Uint8Array) => (asked: AskedRequest) => {
    if (!isUpload(asked)) return undefined;
    return { status: 200, value: { ID: server.put(others), Status: 'Success' } };
  };

  test.each([
    ['damaged on the way are sent again', otherOfSize, newSystem, 'hash-mismatch', 'retry'],
    ['of another size are not', otherBytes, newSystem, 'hash-wrong', 'reject'],
    [
      'by a server that transcodes are not',
      otherOfSize,
      { ...newSystem, IngestTranscoding: '1.2.840.10008.1.2.4.90' },
      'hash-wrong',
      'reject',
    ],
  ])('%s, and are removed', async (_, others, system, code, disposition) => {
    const { server, store, instance } = await setUp(system);
    server.instead = storing(server, others);
    const stored = store.store(instance, bytes);
    await expect(stored).rejects.toMatchObject({ code, disposition, message: expect.stringMatching(/removed again$/) });
    expect(server.held.size).toBe(0);
  });

  test.each([
    ['that somebody else removed are said to be gone', 404, /is gone again$/],
    ['that cannot be removed are named', 403, /could not be removed$/],
  ])('%s', async (_, status, said) => {
    const { server, store, instance } = await setUp();
    const answer = storing(server, otherBytes);
    server.instead = (asked) => (asked.method === 'DELETE' ? { status } : answer(asked));
    await expect(store.store(instance, bytes)).rejects.toMatchObject({
      code: 'hash-wrong',
      message: expect.stringMatching(said),
    });
  });
});

test('a server that tells the hash wrong at first is asked again', async () => {
  const { server, store, instance } = await setUp();
  server.instead = ({ path }) => (path.endsWith('/md5') ? { status: 200, value: md5Of(otherBytes) } : undefined);
  expect(await store.store(instance, bytes)).toEqual({ kind: 'stored' });
});

test('an instance that a server took and does not hold is missed', async () => {
  const { server, store, id, instance } = await setUp();
  server.instead = uploads({ ID: id, Status: 'Success' });
  await expect(store.store(instance, bytes)).rejects.toMatchObject({ code: 'not-held' });
});

test.each<[string, unknown, string]>([
  ['discards it', { ID: '', Status: 'FilteredOut' }, 'filtered-out'],
  ['names no id', { Status: 'Success' }, 'filtered-out'],
  ['names an empty id', { ID: '', Status: 'Success' }, 'filtered-out'],
  ['takes it for an archive', [], 'refused'],
  ['says something else', { ID: new OrthancInMemory().put(bytes), Status: 'Perhaps' }, 'answer-malformed'],
])('a server that %s has not stored it', async (_, answer, code) => {
  const { server, store, instance } = await setUp();
  server.instead = uploads(answer);
  await expect(store.store(instance, bytes)).rejects.toMatchObject({ code });
  expect(server.changes()).toEqual(['POST /instances']);
});

describe('an instance that a server stored under another id', () => {
  test.each(['Success', 'AlreadyStored'])('is left there where that changes identifiers (%s)', async (Status) => {
    const { server, store, instance } = await setUp();
    const ID = new OrthancInMemory().put(foreign);
    server.instead = uploads({ ID, Status });
    const stored = store.store(instance, bytes);
    await expect(stored).rejects.toMatchObject({ code: 'wrong-id', disposition: 'halt' });
    expect(server.changes()).toEqual(['POST /instances']);
  });

  test.each([
    ['is removed where it is proven to be ours', 'Success', /removed again$/, ['POST /instances', 'DELETE']],
    ['is left where it may have been there before', 'AlreadyStored', /left there/, ['POST /instances']],
  ])('%s', async (_, Status, said, changes) => {
    // The PatientID is in a character set that neither file nor server names: which id it gets, the server decides.
    const umlaut = identifiedFile({ uid: '1.2.4', patientId: Buffer.from('M\u00fc', 'latin1') });
    const elements = readIdentifyingElements(umlaut);
    const { id, otherIds } = elements === undefined ? { id: undefined, otherIds: [] } : givenIds(elements, undefined);
    const [otherId] = otherIds;
    if (id === undefined || otherId === undefined) throw new Error('it may get several ids');
    const { server, store } = await setUp();
    server.instead = (asked) => {
      if (asked.path === '/tools/default-encoding') return { status: 404 };
      return asked.method === 'DELETE' ? { status: 200 } : uploads({ ID: otherId, Status })(asked);
    };
    await expect(store.store({ id, md5: md5Of(umlaut), sizeBytes: umlaut.length }, umlaut)).rejects.toMatchObject({
      code: 'wrong-id',
      disposition: 'reject',
      message: expect.stringMatching(said),
    });
    expect(server.changes().map((change) => change.replace(` /instances/${otherId}`, ''))).toEqual(changes);
  });

  test('is not even risked where the server holds one of its own under that', async () => {
    const umlaut = identifiedFile({ uid: '1.2.4', patientId: Buffer.from('M\u00fc', 'latin1') });
    const elements = readIdentifyingElements(umlaut);
    const [otherId] = elements === undefined ? [] : givenIds(elements, undefined).otherIds;
    const { server, store } = await setUp();
    const id = server.put(umlaut);
    server.held.clear();
    server.instead = ({ path }) => {
      if (path === '/tools/default-encoding') return { status: 404 };
      const info = { ContentType: 1, UncompressedSize: 10, UncompressedMD5: md5Of(otherBytes) };
      return path.includes(String(otherId)) ? { status: 200, value: info } : undefined;
    };
    const stored = store.store({ id, md5: md5Of(umlaut), sizeBytes: umlaut.length }, umlaut);
    await expect(stored).rejects.toMatchObject({ code: 'wrong-id', message: expect.stringContaining(String(otherId)) });
    expect(server.changes()).toEqual([]);
  });
});

describe('a body', () => {
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield* inChunks(bytes);
    throw new MirrorError('body-short', 'the source broke off');
  }
  test.each<[string, () => AsyncIterable<Uint8Array> | Uint8Array, string]>([
    ['ends early', () => inChunks(bytes.subarray(0, -10)), 'body-short'],
    ['ends early by its last byte', () => inChunks(bytes.subarray(0, -1), bytes.length), 'body-short'],
    ['goes on', () => inChunks(Buffer.concat([bytes, bytes])), 'hash-mismatch'],
    ['goes on by a byte', () => inChunks(Buffer.concat([bytes, Buffer.of(0)])), 'hash-mismatch'],
    ['fails at its end', failing, 'body-short'],
    ['is too short in memory', () => bytes.subarray(0, -10), 'body-short'],
    ['is too long in memory', () => Buffer.concat([bytes, Buffer.of(0)]), 'hash-mismatch'],
  ])('that %s is never seen as a whole by the server', async (_, body, code) => {
    const { server, store, instance } = await setUp();
    await expect(store.store(instance, body())).rejects.toMatchObject({ code });
    expect(server.held.size).toBe(0);
    const received = server.asked.filter(isUpload).map((asked) => asked.body.length);
    expect(Math.max(0, ...received)).toBeLessThan(bytes.length);
  });

  test.each([
    ['is no DICOM file', Buffer.alloc(bytes.length, 'x'), 'not-dicom'],
    ['is another instance', foreign, 'wrong-id'],
  ])('that %s is not sent', async (_, body, code) => {
    const { server, store, instance } = await setUp();
    await expect(store.store(instance, inChunks(body))).rejects.toMatchObject({ code });
    expect(server.changes()).toEqual([]);
  });
});
