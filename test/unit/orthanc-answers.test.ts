/** What is believed of a server's answers: pages of its feed, the bytes and the hash of an instance. */
import { describe, expect, test } from 'vitest';
import { md5Of } from '../../core/identifiers.ts';
import { changePages, lastChange, readChanges } from '../../core/stores/orthanc/change-feed.ts';
import { openDamaged } from '../../core/stores/orthanc/open-damaged.ts';
import { instanceOf } from '../support/open/written-instance.ts';
import { type Answer, type AskedRequest, OrthancInMemory, oldSystem } from '../support/orthanc-in-memory.ts';

const { id, bytes, md5 } = instanceOf();
const [otherMd5, sizeBytes] = [md5Of(Buffer.from('other')), bytes.length];

async function setUp(system?: Readonly<Record<string, unknown>>) {
  const server = new OrthancInMemory(system);
  server.put(bytes);
  const store = await server.connect('source');
  await store.capabilities();
  server.asked.length = 0;
  return { server, store };
}

const to =
  (end: string, answer: Answer) =>
  ({ path }: AskedRequest): Answer | undefined =>
    path.endsWith(end) ? answer : undefined;

describe('a page of the feed', () => {
  const entry = (Seq: number, more: object = {}) => ({
    Seq,
    ChangeType: 'NewInstance',
    ResourceType: 'Instance',
    ID: id,
    Date: '20261121T000000',
    ...more,
  });
  const page = (seqs: readonly number[], Last: number, Done = true) => ({
    Changes: seqs.map((seq) => entry(seq)),
    Last,
    Done,
  });

  async function read(value: unknown, { since = 10, limit = 3 } = {}) {
    const { server, store } = await setUp();
    server.instead = () => ({ status: 200, value });
    return readChanges(store.client, { since, limit }).then(
      ({ changes, done, last }) => [changes.map(({ seq }) => seq), done, last],
      ({ code, disposition }: { code: unknown; disposition: unknown }) => [code, disposition],
    );
  }

  test.each<[string, unknown, unknown]>([
    ['with the entries that follow', page([11, 13, 20], 20, false), [[11, 13, 20], false, 20]],
    ['that is the last', page([11], 11), [[11], true, 11]],
    ['that is empty, as the end', page([], 10), [[], true, 10]],
    ['that is empty, of a feed that went back', page([], 3), [[], true, 3]],
    ['whose end lies behind its entries', page([11], 40, false), [[11], false, 40]],
  ])('%s is taken', async (_, value, taken) => {
    expect(await read(value)).toEqual(taken);
  });

  test.each<[string, unknown]>([
    ['with more entries than were asked for', page([11, 12, 13, 14], 14)],
    ['with entries of before', page([10, 11], 11)],
    ['with entries out of order', page([12, 11], 12)],
    ['with an entry twice', page([11, 11], 11)],
    ['whose end lies before its entries', page([11, 12], 11)],
    ['after which more follows, at the same place', page([], 10, false)],
    ['with a negative number', page([], -1)],
    ['with a negative entry', { Changes: [entry(-5)], Last: 11, Done: true }],
    ['with an entry of no level', { Changes: [entry(11, { ResourceType: 'Job' })], Last: 11, Done: true }],
    ['with an entry of no id', { Changes: [entry(11, { ID: 'x' })], Last: 11, Done: true }],
  ])('%s halts', async (_, value) => {
    expect(await read(value)).toEqual(['answer-malformed', 'halt']);
  });

  test('is asked for by numbers that it can have, and says of what level each entry is', async () => {
    const { server, store } = await setUp();
    const resources = ['Patient', 'Study', 'Series', 'Instance'];
    const Changes = resources.map((ResourceType, n) => entry(n + 1, { ResourceType }));
    server.instead = () => ({ status: 200, value: { Changes, Last: 4, Done: true } });
    const { changes } = await readChanges(store.client, { since: 0, limit: 4 });
    expect(changes.map(({ level }) => level)).toEqual(['patients', 'studies', 'series', 'instances']);
    expect(server.asked.map(({ path }) => path)).toEqual(['/changes?since=0&limit=4']);
    for (const since of [-1, 0.5, 2 ** 31]) {
      await expect(readChanges(store.client, { since, limit: 1 })).rejects.toMatchObject({ code: 'answer-malformed' });
    }
    for (const limit of [0, 1.5])
      await expect(readChanges(store.client, { since: 0, limit })).rejects.toThrow(RangeError);
    await readChanges(store.client, { since: 2 ** 31 - 1, limit: 1 }).catch(() => undefined);
    expect(server.asked).toHaveLength(2);
  });

  test('follows on the one before, to the end', async () => {
    const { server, store } = await setUp();
    server.instead = ({ path }) => ({
      status: 200,
      value: path.includes('since=0&') ? page([1, 2], 2, false) : page([3], 3),
    });
    const pages = await Array.fromAsync(changePages(store.client, { since: 0 }));
    expect(pages.flatMap(({ changes }) => changes.map(({ seq }) => seq))).toEqual([1, 2, 3]);
    expect(server.asked.map(({ path }) => path.replace(/&limit.*/, ''))).toEqual([
      '/changes?since=0',
      '/changes?since=2',
    ]);
    expect(await lastChange(store.client, {})).toBe(3);
    expect(server.asked.at(-1)?.path).toBe('/changes?last');
  });
});

describe('an instance that is opened', () => {
  test('comes with its size and the hash of its ETag, in one request', async () => {
    const { server, store } = await setUp();
    const { body, ...opened } = await store.open(id);
    expect(opened).toMatchObject({ id, md5, sizeBytes });
    expect(md5Of(Buffer.concat(await Array.fromAsync(body)))).toBe(md5);
    expect(server.asked).toHaveLength(1);
  });

  test.each([
    ['has no ETag', {}, md5],
    ['has an ETag without a place for a hash', { etag: '"0"' }, md5],
    ['has an ETag without a hash', { etag: '"0-"' }, undefined],
    ['has an ETag that a proxy weakened', { etag: `W/"0-${otherMd5}"` }, otherMd5],
  ])('and %s has the hash that the server tells', async (_, headers, told) => {
    const { server, store } = await setUp();
    server.instead = to('/data', { status: 200, value: bytes, headers });
    expect((await store.open(id)).md5).toBe(told);
  });

  test.each<[string, Answer, Answer | undefined, string]>([
    ['not there', { status: 404 }, { status: 404 }, 'vanished'],
    ['known, and its file lost (404)', { status: 404 }, undefined, 'source-corrupt'],
    ['known, and its file lost (500)', { status: 500 }, undefined, 'source-corrupt'],
    ['known, and its file cut (400)', { status: 400 }, undefined, 'source-corrupt'],
    ['on a server in general trouble', { status: 500 }, { status: 500 }, 'server-error'],
    ['on a server that refuses us', { status: 403 }, undefined, 'forbidden'],
    ['larger than any', { status: 200, headers: { 'content-length': String(2 ** 40) } }, undefined, 'answer-malformed'],
  ])('and is %s is told apart', async (_, data, resource, code) => {
    const { server, store } = await setUp();
    server.instead = ({ path }) => (path.endsWith('/data') ? data : path === `/instances/${id}` ? resource : undefined);
    await expect(store.open(id)).rejects.toMatchObject({ code });
  });

  test.each<[string, Answer, number | undefined]>([
    ['delivers a range', { status: 206, value: bytes }, sizeBytes],
    ['delivers no range', { status: 404 }, undefined],
    ['delivers the whole instead', { status: 200, value: bytes }, undefined],
  ])('and is damaged on a server that %s may be read as it is', async (_, ranged, size) => {
    const { server, store } = await setUp();
    let asked = 0;
    server.instead = ({ path }) => {
      if (!path.endsWith('/data')) return undefined;
      asked += 1;
      return asked <= 1 ? { status: 404 } : ranged;
    };
    const opened = await openDamaged(store.client, id, {});
    expect([opened?.sizeBytes, opened?.md5]).toEqual([size, undefined]);
    opened?.cancel();
  });
});

describe('a look at an instance', () => {
  test.each([
    ['in one request', undefined, 1],
    ['in two requests, of an old server', { ...oldSystem, ApiVersion: 15 }, 2],
  ])('tells hash and size %s', async (_, system, requests) => {
    const { server, store } = await setUp(system);
    expect(await store.lookup(id)).toEqual([{ id, md5, sizeBytes }]);
    expect(server.asked).toHaveLength(requests);
    server.held.clear();
    expect(await store.lookup(id)).toEqual([]);
  });

  test('tells no hash where the server keeps none', async () => {
    const { server, store } = await setUp({ ...oldSystem, ApiVersion: 15, StoreMD5ForAttachments: false });
    expect(await store.lookup(id)).toEqual([{ id, md5: undefined, sizeBytes }]);
    server.instead = to('/size', { status: 200, value: 'many' });
    await expect(store.lookup(id)).rejects.toMatchObject({ code: 'answer-malformed' });
  });
});

test('a deletion of what is gone is none, and one that is refused is told', async () => {
  const { server, store } = await setUp();
  await store.delete(id);
  expect(server.held.size).toBe(0);
  await store.delete(id);
  server.instead = () => ({ status: 403 });
  await expect(store.delete(id)).rejects.toMatchObject({ code: 'forbidden' });
});
