/** Which bytes a server gets back for an instance that it delivers wrongly, and from where. */
import { expect, test, vi } from 'vitest';
import {
  findDamaged,
  type RepairServerOptions,
  repairInstances,
} from '../../core/archive-life/repair/repair-server.ts';
import type { PutRight } from '../../core/archive-life/verify/repair.ts';
import { ByteBudget } from '../../core/copy/byte-budget.ts';
import { MirrorError } from '../../core/errors.ts';
import type { InstanceId } from '../../core/identifiers.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { instanceOf } from '../support/open/written-instance.ts';
import { OrthancInMemory } from '../support/orthanc-in-memory.ts';

const [one, two] = ['1', '2'].map((n) =>
  instanceOf({ patient: 'P', study: '1.2', series: '1.2.3', instance: `1.2.3.${n}` }),
) as [ReturnType<typeof instanceOf>, ReturnType<typeof instanceOf>];
const other = Buffer.from('another version');

async function setUp(more: Partial<RepairServerOptions> = {}) {
  const orthanc = new OrthancInMemory();
  for (const { bytes } of [one, two]) orthanc.put(bytes);
  const server = await orthanc.connect('server');
  const putRight = vi.fn<PutRight>(async (_, body) => {
    if (!(body instanceof Uint8Array)) for await (const _chunk of body);
    return 'superseded/';
  });
  const repair = async (...ids: readonly InstanceId[]) =>
    Array.fromAsync(
      repairInstances(ids, { server, putRight, goodCopies: [], budget: new ByteBudget(1_000_000), ...more }),
    );
  return { server, putRight, repair };
}

test('it gets what its index promises, from the nearest store that holds those very bytes', async () => {
  const goodCopies = [
    new MemoryStore('without', []),
    new MemoryStore('other', [[one.id, other]]),
    new MemoryStore('near', [[one.id, one.bytes]]),
    new MemoryStore('far', [
      [one.id, one.bytes],
      [two.id, two.bytes],
    ]),
  ];
  const fallback = new MemoryStore('fallback', [[one.id, other]]);
  const { putRight, repair } = await setUp({ goodCopies, fallback });
  expect(await repair(one.id, two.id)).toEqual([
    { id: one.id, outcome: { kind: 'repaired', from: 'near', savedUnder: 'superseded/' }, otherVersion: false },
    { id: two.id, outcome: { kind: 'repaired', from: 'far', savedUnder: 'superseded/' }, otherVersion: false },
  ]);
  expect(putRight.mock.calls.map(([{ id, md5 }]) => [id, md5])).toEqual([
    [one.id, one.md5],
    [two.id, two.md5],
  ]);
});

test('where nobody has them, it gets the version of the archive, and that is said', async () => {
  const archive = new MemoryStore('archive', [[one.id, other]]);
  const { repair } = await setUp({ goodCopies: [archive], fallback: archive });
  expect(await repair(one.id)).toMatchObject([{ outcome: { kind: 'repaired', from: 'archive' }, otherVersion: true }]);
});

test('where nobody has anything, it stays as it is, and that is said', async () => {
  for (const fallback of [undefined, new MemoryStore('archive', [])]) {
    const { putRight, repair } = await setUp({ fallback });
    const error = { code: 'source-corrupt', message: expect.stringContaining(one.id) };
    expect(await repair(one.id)).toMatchObject([{ outcome: { kind: 'not-repaired', error }, otherVersion: false }]);
    expect(putRight).not.toHaveBeenCalled();
  }
});

test('an archive that cannot be asked costs that instance only', async () => {
  const archive = new MemoryStore('archive', []);
  archive.before = (_, id) => {
    if (id === one.id) throw new MirrorError('unreachable', 'the archive is away');
  };
  const good = new MemoryStore('good', [[two.id, two.bytes]]);
  const { repair } = await setUp({ goodCopies: [good], fallback: archive });
  expect(await repair(one.id, two.id)).toMatchObject([
    { outcome: { kind: 'not-repaired', error: { code: 'unreachable' } }, otherVersion: false },
    { outcome: { kind: 'repaired', from: 'good' } },
  ]);
});

test('a defect, and an interruption, end the repair', async () => {
  const archive = new MemoryStore('archive', []);
  archive.before = () => {
    throw new RangeError('a defect');
  };
  await expect((await setUp({ fallback: archive })).repair(one.id)).rejects.toThrow(RangeError);
  const stop = new AbortController();
  archive.before = () => {
    stop.abort();
    throw new MirrorError('unreachable', 'the archive is away');
  };
  await expect((await setUp({ fallback: archive, signal: stop.signal })).repair(one.id)).rejects.toThrow('away');
});

test('what a server holds is read back where it concerns the repair', async () => {
  const { server } = await setUp();
  const read = await Array.fromAsync(findDamaged(server, (id) => id === two.id, {}));
  expect(read.map(({ id, kind }) => [id, kind])).toEqual([[two.id, 'sound']]);
});
