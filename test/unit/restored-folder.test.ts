/** A folder that instances are restored to: what is there already is neither replaced nor taken for something else. */
import { describe, expect, test, vi } from 'vitest';
import { readBack } from '../../core/archive-life/restore/read-back.ts';
import { replaceInFolder } from '../../core/archive-life/restore/replace-in-folder.ts';
import { RestoredFolder } from '../../core/archive-life/restore/restored-folder.ts';
import type { Destination } from '../../core/copy/outcome.ts';
import { MirrorError } from '../../core/errors.ts';
import { type InstanceId, md5Of } from '../../core/identifiers.ts';
import type { InstanceIdentity } from '../../core/stores/store.ts';
import { MemoryObjects } from '../support/memory-objects.ts';
import { MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';
import { instanceOf } from '../support/open/written-instance.ts';

const [written, again] = [instanceOf(), instanceOf({ comment: 'another version' })];
const identityOf = (id: InstanceId, bytes: Uint8Array): InstanceIdentity => ({
  id,
  md5: md5Of(bytes),
  sizeBytes: bytes.length,
});
const identity = identityOf(written.id, written.bytes);

async function* oneByOne(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 50) yield bytes.subarray(at, at + 50);
}

async function newFolder(objects = new MemoryObjects()) {
  return { objects, folder: await RestoredFolder.open(objects) };
}

test.each([
  ['in memory', (bytes: Uint8Array) => bytes],
  ['as a stream', oneByOne],
])('an instance %s lies in the folders of its patient, study and series', async (_, given) => {
  const { objects, folder } = await newFolder();
  expect(await folder.store(identity, given(written.bytes))).toEqual({ kind: 'stored' });
  expect([...objects.stored.keys()]).toEqual([
    expect.stringMatching(new RegExp(`^[0-9a-f-]{44}/${written.study}/${written.series}/${written.id}\\.dcm$`)),
  ]);
  expect([folder.holds(written.id), folder.holdsStudy(written.study), folder.unidentified]).toEqual([true, true, 0]);
});

test('what a restore before left there is known, and its bytes are read before they count', async () => {
  const { objects, folder } = await newFolder();
  await folder.store(identity, written.bytes);
  await objects.putOnce('notes.txt', Buffer.from('of somebody'), { sizeBytes: 11 });
  const { folder: next } = await newFolder(objects);
  expect(await Array.fromAsync(next.inventory())).toEqual([{ id: written.id, md5: undefined, sizeBytes: undefined }]);
  expect(await next.lookup(written.id)).toEqual([identity]);
  expect([next.holdsStudy(written.study), next.unidentified]).toEqual([true, 0]);
  expect(await next.store(identity, written.bytes)).toEqual({ kind: 'already-equal' });
});

test('a damaged file is no equal one, and stays until it is replaced', async () => {
  const { folder } = await newFolder();
  const other = identityOf(written.id, again.bytes);
  await folder.store(other, again.bytes);
  expect(await folder.store(identity, written.bytes)).toEqual({ kind: 'conflict', md5: other.md5 });
  expect(await folder.lookup(written.id)).toEqual([other]);
  await folder.replace(identity, written.bytes, {});
  expect(await folder.lookup(written.id)).toEqual([identity]);
});

test.each([
  ['tells nothing', sampleId(1), sampleBytes(1)],
  ['tells another id', sampleId(2), written.bytes],
])('a file whose header %s lies among the unidentified, and is counted once', async (_, id, bytes) => {
  const { objects, folder } = await newFolder();
  expect(await folder.store(identityOf(id, bytes), bytes)).toEqual({ kind: 'stored' });
  expect(folder.unidentified).toBe(1);
  expect(await folder.store(identityOf(id, bytes), bytes)).toEqual({ kind: 'already-equal' });
  expect([[...objects.stored.keys()], folder.unidentified]).toEqual([[`unidentified/${id}.dcm`], 1]);
  expect([folder.holds(id), folder.holdsStudy(written.study)]).toEqual([true, false]);
});

test('instances are listed in the order of their ids, behind a given one', async () => {
  const { folder } = await newFolder();
  const ids = [1, 2, 3].map(sampleId).sort();
  for (const id of ids.toReversed()) await folder.store(identityOf(id, written.bytes), written.bytes);
  const listed = async (after?: InstanceId) => (await Array.fromAsync(folder.inventory({ after }))).map(({ id }) => id);
  expect([await listed(), await listed(ids[0])]).toEqual([ids, ids.slice(1)]);
  const signal = AbortSignal.abort(new Error('stopped'));
  await expect(Array.fromAsync(folder.inventory({ signal }))).rejects.toThrow('stopped');
});

test('what is not there is neither found, opened nor replaced', async () => {
  const { folder } = await newFolder();
  expect([await folder.lookup(written.id), folder.holds(written.id)]).toEqual([[], false]);
  await expect(folder.open(written.id)).rejects.toMatchObject({ code: 'vanished' });
  await expect(folder.replace(identity, written.bytes, {})).rejects.toMatchObject({ code: 'vanished' });
});

test('wrong bytes do not appear', async () => {
  const { objects, folder } = await newFolder();
  await expect(folder.store(identity, again.bytes)).rejects.toMatchObject({
    code: expect.stringMatching(/^(body|hash)-/),
  });
  expect(objects.stored.size).toBe(0);
});

test('a file is read as it is', async () => {
  const { folder } = await newFolder();
  await folder.store(identity, written.bytes);
  const { body, ...opened } = await folder.open(written.id);
  expect(opened).toMatchObject({ id: written.id, md5: undefined, sizeBytes: written.bytes.length });
  expect(Buffer.concat(await Array.fromAsync(body))).toEqual(written.bytes);
});

describe('a version that lies there and is not the one of the moment', () => {
  async function conflicting() {
    const { objects, folder } = await newFolder();
    await folder.store(identityOf(written.id, again.bytes), again.bytes);
    const view = new MemoryStore('view', [[written.id, written.bytes]]);
    const destination: Destination = { role: 'target', store: folder };
    const conflict = { destination, kind: 'conflict' } as const;
    const onReplaced = vi.fn();
    const replaced = async () => {
      const result = { id: written.id, md5: identity.md5, sizeBytes: identity.sizeBytes, outcomes: [conflict] };
      return (await replaceInFolder(view, folder, onReplaced)(result)).outcomes[0];
    };
    const lies = async () => (await folder.lookup(written.id))[0]?.md5;
    return { objects, view, conflict, onReplaced, replaced, lies };
  }

  test('is replaced, kept, and told of', async () => {
    const { conflict, onReplaced, replaced, lies } = await conflicting();
    expect(await replaced()).toEqual({ destination: conflict.destination, kind: 'copied' });
    expect(await lies()).toBe(identity.md5);
    expect(onReplaced.mock.calls).toEqual([[written.id, 'superseded/']]);
  });

  test.each<[string, (view: MemoryStore) => void, string]>([
    ['the archive does not hold it any more', (view) => view.instances.clear(), 'conflict'],
    [
      'the archive tells no hash of it',
      (view) => {
        view.keepsHashes = false;
      },
      'conflict',
    ],
    [
      'the archive cannot be read',
      (view) => {
        view.before = (call) => {
          if (call === 'open') throw new MirrorError('unreachable', 'it is away');
        };
      },
      'failed',
    ],
    [
      'it is damaged on its way',
      (view) => {
        view.transport = () => again.bytes;
      },
      'failed',
    ],
  ])('stays where %s', async (_, change, kind) => {
    const { view, onReplaced, replaced, lies } = await conflicting();
    change(view);
    expect(await replaced()).toMatchObject({ kind });
    expect(await lies()).toBe(again.md5);
    expect(onReplaced).not.toHaveBeenCalled();
  });
});

test('what was restored is read at the target, by what the archive promises, and the target stays open', async () => {
  const view = new MemoryStore('view', [[written.id, written.bytes]]);
  const target = new MemoryStore('target', [[written.id, again.bytes]]);
  const close = vi.spyOn(target, 'close');
  const store = readBack(view, target);
  expect(await Array.fromAsync(store.inventory())).toEqual([identity]);
  expect(await store.lookup(written.id)).toEqual([identity]);
  expect((await store.open(written.id)).md5).toBe(again.md5);
  await store.close();
  expect(close).not.toHaveBeenCalled();
});
