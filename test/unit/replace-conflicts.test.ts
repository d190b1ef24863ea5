/** A version on a target is replaced by the source's only when the archive has both, and whatever happens meanwhile. */
import { describe, expect, test } from 'vitest';
import { KeptRepairs } from '../../core/archive-life/kept-repairs.ts';
import { replaceConflicts, replaceInstance } from '../../core/archive-life/repair/replace-conflicts.ts';
import type { Destination } from '../../core/copy/outcome.ts';
import { MirrorError } from '../../core/errors.ts';
import { md5Of } from '../../core/identifiers.ts';
import { Limitations } from '../../core/sidecars/limitations.ts';
import { studyServerOf } from '../../core/sidecars/study-server.ts';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { folders, instanceKey } from '../../core/stores/archive/keys.ts';
import { MemoryObjects } from '../support/memory-objects.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { instanceOf, type WrittenInstance } from '../support/open/written-instance.ts';
import { type AskedRequest, newSystem, OrthancInMemory } from '../support/orthanc-in-memory.ts';

const wanted = instanceOf({ comment: 'of the source' });
const held = instanceOf({ comment: 'of the target' });
const { id } = wanted;
const neighbour = instanceOf({ instance: '1.2.1.1.2' });

async function setUp({ system = newSystem, neighbours = [] as readonly WrittenInstance[] } = {}) {
  const server = new OrthancInMemory(system);
  const target = await server.connect();
  for (const { bytes } of [held, ...neighbours]) server.put(bytes);
  server.metadata.set(`instances/${id}`, { 1030: 'of a user' });
  server.metadata.set(`series/${held.series}`, { 1031: 'of its series' });
  const objects = new MemoryObjects();
  const archive = await openArchive(objects, { createFor: { name: 'source' }, writer: 'run' });
  const source = new MemoryStore('source', [[id, wanted.bytes]]);
  const targetServer = await studyServerOf(target);
  const limitations = new Limitations();
  const options = { source, target, targetServer, archive, limitations };
  const md5AtTarget = () => {
    const there = server.held.get(id);
    return there && md5Of(there.bytes);
  };
  server.asked.length = 0;
  const repairs = new KeptRepairs(objects, target.client);
  const finish = () => Array.fromAsync(repairs.finishAll({ server: targetServer, limitations }));
  const kept = () => [...objects.stored.keys()].filter((key) => key.startsWith(`${folders.state}repair/`));
  return { server, target, source, archive, objects, options, md5AtTarget, finish, kept };
}

const isUpload = ({ method, path }: AskedRequest) => method === 'POST' && path === '/instances';

describe('a replacement', () => {
  test('saves the version of the target, and writes back what was attached', async () => {
    const { server, objects, options, md5AtTarget, kept } = await setUp();
    const { kind, savedUnder } = await replaceInstance(id, options);
    expect([kind, md5AtTarget()]).toEqual(['replaced', wanted.md5]);
    expect(objects.stored.get(`${savedUnder}${held.md5}.dcm`)?.bytes).toEqual(Uint8Array.from(held.bytes));
    expect(server.metadata.get(`instances/${id}`)).toEqual({ 1030: 'of a user' });
    expect(server.metadata.get(`series/${held.series}`)).toEqual({ 1031: 'of its series' });
    expect(kept()).toEqual([]);
  });

  test('deletes nothing at the target before the archive holds both versions', async () => {
    const { server, objects, options } = await setUp();
    const atDeletion: (readonly string[])[] = [];
    server.instead = ({ method }) => {
      if (method === 'DELETE') atDeletion.push([...objects.stored.keys()]);
      return undefined;
    };
    await replaceInstance(id, options);
    const [keys] = atDeletion;
    expect(keys).toContain(instanceKey(id, wanted.md5));
    expect(keys).toContainEqual(expect.stringMatching(new RegExp(`^reports/replaced/.*${held.md5}\\.dcm$`)));
  });

  test.each(['the source', 'the archive'])('changes nothing while %s cannot be used', async (who) => {
    const { server, source, objects, options, md5AtTarget } = await setUp();
    const away = new MirrorError('unreachable', 'it is away');
    if (who === 'the source') {
      source.before = (call) => {
        if (call === 'open') throw away;
      };
    } else objects.putOnce = () => Promise.reject(away);
    await expect(replaceInstance(id, options)).rejects.toMatchObject({ code: 'unreachable' });
    expect([server.changes(), md5AtTarget()]).toEqual([[], held.md5]);
  });

  test('does not take the bytes of the archive for the right ones if they are damaged there', async () => {
    const { server, objects, archive, options, md5AtTarget } = await setUp();
    await archive.store({ id, md5: wanted.md5, sizeBytes: wanted.bytes.length }, wanted.bytes);
    const key = instanceKey(id, wanted.md5);
    await objects.delete(key);
    const damaged = Buffer.from(wanted.bytes);
    damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
    await objects.putOnce(key, damaged, { sizeBytes: damaged.length });
    await expect(replaceInstance(id, options)).rejects.toBeInstanceOf(MirrorError);
    expect([server.changes(), md5AtTarget()]).toEqual([[], held.md5]);
  });

  test('is not done where somebody changed the version while it was saved', async () => {
    const { server, options, md5AtTarget } = await setUp();
    const theirs = instanceOf({ comment: 'written meanwhile' });
    let reads = 0;
    server.instead = ({ path }) => {
      if (path.endsWith('/data')) reads += 1;
      // It is read for its hash, and to be saved.
      if (path.endsWith('/data') && reads === 2) queueMicrotask(() => server.put(theirs.bytes));
      return undefined;
    };
    await expect(replaceInstance(id, options)).rejects.toMatchObject({ code: 'changed-meanwhile' });
    expect([server.changes(), md5AtTarget()]).toEqual([[], theirs.md5]);
  });

  test('is stopped before anything is deleted, and not after that', async () => {
    for (const [when, kind] of [
      ['GET', 'stopped'],
      ['DELETE', 'replaced'],
    ] as const) {
      const { server, options, md5AtTarget } = await setUp();
      const stop = new AbortController();
      server.instead = ({ method, path }) => {
        if (method === when && (method === 'DELETE' || path.endsWith('/data'))) stop.abort();
        return undefined;
      };
      const ended = replaceInstance(id, { ...options, signal: stop.signal }).then(
        (replaced) => replaced.kind,
        () => 'stopped',
      );
      expect(await ended).toBe(kind);
      expect(md5AtTarget()).toBe(kind === 'replaced' ? wanted.md5 : held.md5);
    }
  });

  test('reads nothing of the source that the archive has', async () => {
    const { source, archive, options } = await setUp();
    await archive.store({ id, md5: wanted.md5, sizeBytes: wanted.bytes.length }, wanted.bytes);
    await replaceInstance(id, options);
    expect(source.calls.open).toBe(0);
  });

  test('of what was gone, and is there again with other bytes, is not believed', async () => {
    const { server, options } = await setUp();
    server.held.delete(id);
    server.instead = (asked) => {
      if (isUpload(asked)) server.put(held.bytes);
      return undefined;
    };
    await expect(replaceInstance(id, options)).rejects.toMatchObject({ code: 'changed-meanwhile' });
  });

  test('goes on until the server holds the right bytes, also if somebody stored others in between', async () => {
    const { server, target, options, md5AtTarget } = await setUp();
    const theirs = instanceOf({ comment: 'written in between' });
    let uploads = 0;
    server.instead = (asked) => {
      if (isUpload(asked)) {
        uploads += 1;
        if (uploads === 1) server.put(theirs.bytes);
        else server.held.delete(id);
      }
      return undefined;
    };
    expect(await replaceInstance(id, options)).toMatchObject({ kind: 'replaced' });
    expect([uploads, md5AtTarget()]).toEqual([2, wanted.md5]);
    expect(await target.lookup(id)).toMatchObject([{ md5: wanted.md5 }]);
  });

  test('that a server refuses half way says what is missing there, and is finished when it is back', async () => {
    const { server, options, finish, kept } = await setUp();
    server.instead = (asked) => (isUpload(asked) ? { status: 400 } : undefined);
    await expect(replaceInstance(id, options)).rejects.toMatchObject({
      code: 'refused',
      message: expect.stringContaining('not stored yet'),
    });
    expect([server.held.has(id), kept().length]).toEqual([false, 1]);
    expect(await finish()).toMatchObject([{ id, kind: 'waiting' }]);
    server.instead = () => undefined;
    server.put(wanted.bytes);
    expect(await finish()).toMatchObject([{ id, kind: 'finished' }]);
    expect(server.metadata.get(`instances/${id}`)).toEqual({ 1030: 'of a user' });
    expect(await finish()).toEqual([]);
  });

  test('of one of several leaves what belongs to the others', async () => {
    const { server, options } = await setUp({ neighbours: [neighbour] });
    await replaceInstance(id, options);
    expect(server.metadata.get(`series/${held.series}`)).toEqual({ 1031: 'of its series' });
    expect(server.held.has(neighbour.id)).toBe(true);
  });

  test.each([
    ['is read-only', { ReadOnly: true }],
    ['transcodes', { IngestTranscoding: '1.2.840.10008.1.2.4.90' }],
    ['keeps no hashes', { StoreMD5ForAttachments: false }],
    ['does not show its patients', { PatientLevelEnabled: false }],
  ])('on a server that %s is refused, with nothing changed', async (_, setting) => {
    const { server, options, md5AtTarget } = await setUp({ system: { ...newSystem, ...setting } });
    await expect(replaceInstance(id, options)).rejects.toMatchObject({ code: 'conflict' });
    expect([server.changes(), md5AtTarget()]).toEqual([[], held.md5]);
  });

  test('without an archive is refused', async () => {
    const { server, options } = await setUp();
    const refused = replaceInstance(id, { ...options, archive: undefined });
    await expect(refused).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('no archive') });
    expect(server.asked).toEqual([]);
  });

  test('of what is equal by now, or gone by now, deletes nothing', async () => {
    const { server, options, md5AtTarget } = await setUp();
    server.held.delete(id);
    expect(await replaceInstance(id, options)).toEqual({ kind: 'replaced', savedUnder: undefined });
    expect([server.changes(), md5AtTarget()]).toEqual([['POST /instances'], wanted.md5]);
    expect(await replaceInstance(id, options)).toEqual({ kind: 'already-equal', savedUnder: undefined });
    expect(server.changes()).toEqual(['POST /instances']);
  });

  test.each([
    ['is gone at the source', 'vanished'],
    ['has no hash at the source', 'conflict'],
  ])('of an instance that %s changes nothing', async (_, code) => {
    const { server, source, options } = await setUp();
    if (code === 'vanished') source.instances.clear();
    else source.keepsHashes = false;
    await expect(replaceInstance(id, options)).rejects.toMatchObject({ code });
    expect(server.changes()).toEqual([]);
  });
});

describe('the policy replace', () => {
  const conflictAt = (destination: Destination) => ({
    id,
    md5: wanted.md5,
    sizeBytes: wanted.bytes.length,
    outcomes: [{ destination, kind: 'conflict' } as const],
  });

  test('counts a replaced conflict as copied, and tells where the other version is', async () => {
    const { target, options } = await setUp();
    const told: unknown[] = [];
    const policy = replaceConflicts({ ...options, onReplaced: (...what) => void told.push(what) });
    const destination: Destination = { role: 'target', store: target };
    const result = conflictAt(destination);
    expect(await policy(result)).toEqual({ ...result, outcomes: [{ destination, kind: 'copied' }] });
    expect(told).toEqual([[id, destination, expect.stringMatching(/^reports\/replaced\//)]]);
    expect((await policy(result)).outcomes).toEqual([{ destination, kind: 'already-equal' }]);
    expect(told).toHaveLength(1);
  });

  test('leaves a conflict with what is no server, and what is no conflict', async () => {
    const { options } = await setUp();
    const destination: Destination = { role: 'target', store: new MemoryStore('memory') };
    const policy = replaceConflicts(options);
    expect((await policy(conflictAt(destination))).outcomes).toMatchObject([{ kind: 'conflict' }]);
    const copied = { ...conflictAt(destination), outcomes: [{ destination, kind: 'copied' } as const] };
    expect(await policy(copied)).toEqual(copied);
  });

  test('tells why an instance could not be replaced', async () => {
    const { source, target, options } = await setUp();
    source.instances.clear();
    const [outcome] = (await replaceConflicts(options)(conflictAt({ role: 'target', store: target }))).outcomes;
    expect(outcome).toMatchObject({ kind: 'vanished', at: 'destination' });
  });
});

describe('what was kept for a server', () => {
  test('is not forgotten while one of the instances that it is for is not back', async () => {
    const { server, objects, finish, kept, options } = await setUp({ neighbours: [neighbour] });
    server.instead = (asked) => (isUpload(asked) ? { status: 400 } : undefined);
    await expect(replaceInstance(id, options)).rejects.toMatchObject({ code: 'refused' });
    server.instead = () => undefined;
    const [key = ''] = kept();
    const record = JSON.parse(Buffer.from(objects.stored.get(key)?.bytes ?? []).toString());
    // As that of a study, whose instances come back one by one.
    const { fileUuid: _, ...ofStudy } = record;
    const etag = (await objects.head(key))?.etag ?? null;
    await objects.replaceIf(key, Buffer.from(JSON.stringify(ofStudy)), etag);
    expect(await finish()).toMatchObject([{ kind: 'waiting' }]);
    expect(kept()).toEqual([key]);
    server.held.clear();
    expect(await finish()).toMatchObject([{ kind: 'waiting' }]);
    server.put(wanted.bytes);
    expect(await finish()).toMatchObject([{ kind: 'finished' }]);
  });

  test('is not written where the instance was never taken away', async () => {
    const { server, options, finish } = await setUp();
    server.instead = ({ method }) => (method === 'DELETE' ? { status: 500 } : undefined);
    await expect(replaceInstance(id, options)).rejects.toBeInstanceOf(MirrorError);
    server.instead = () => undefined;
    // A user removed it since.
    server.metadata.delete(`instances/${id}`);
    expect(await finish()).toMatchObject([{ kind: 'finished' }]);
    expect(server.metadata.has(`instances/${id}`)).toBe(false);
  });
});
