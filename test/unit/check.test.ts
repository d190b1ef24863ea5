/** How a store stands to the source, as `check` tells it and the exit code counts it. */
import { expect, test } from 'vitest';
import type { Destination } from '../../core/copy/outcome.ts';
import { MirrorError } from '../../core/errors.ts';
import { md5Of } from '../../core/identifiers.ts';
import { compareStores } from '../../core/mirror/check.ts';
import type { KnownEntry } from '../../core/stores/store.ts';
import { MemoryArchive, MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';

const id = sampleId(1);
const [bytes, others] = [sampleBytes(1), sampleBytes(2)];

/** An archive that knows this of the instance. */
function knowingArchive(known: Partial<KnownEntry>): MemoryArchive {
  const store = new MemoryArchive('archive');
  const held = { standing: 'held', isForeign: false } as const;
  const entry = { id, md5: md5Of(bytes), sizeBytes: bytes.length, versions: [md5Of(bytes)], ...held, ...known };
  store.known = async function* () {
    yield entry;
  };
  return store;
}

const target = (held?: Uint8Array): Destination => ({
  role: 'target',
  store: new MemoryStore('target', held === undefined ? [] : [[id, held]]),
});
const archive = (known: Partial<KnownEntry> = {}): Destination => ({
  role: 'archive',
  store: knowingArchive(known),
});

async function kindsOf(atSource: Uint8Array | undefined, destinations: readonly Destination[]) {
  const source = new MemoryStore('source', atSource === undefined ? [] : [[id, atSource]]);
  const [compared, ...more] = await Array.fromAsync(compareStores(source, destinations));
  expect([compared?.id, compared?.atSource, more]).toEqual([id, atSource !== undefined, []]);
  return compared?.comparisons.map(({ kind }) => kind);
}

test.each<[string, Destination, string]>([
  ['a target', target(bytes), 'not-at-source'],
  ['an archive', archive(), 'not-at-source'],
  ['an archive that recorded that it was removed', archive({ standing: 'removed' }), 'removed'],
  ['an archive that it was imported to', archive({ isForeign: true }), 'removed'],
])('what only %s holds', async (_, destination, kind) => {
  expect(await kindsOf(undefined, [destination])).toEqual([kind]);
});

test('what one target holds beside the source is told of that one alone', async () => {
  expect(await kindsOf(undefined, [target(), target(bytes), target()])).toEqual(['not-at-source']);
});

test.each<[string, Destination, string]>([
  ['a target with the same bytes', target(bytes), 'equal'],
  ['a target with other bytes', target(others), 'conflict'],
  ['an empty target', target(), 'missing'],
  ['an archive with the same bytes', archive(), 'equal'],
  ['an archive with another version', archive({ md5: md5Of(others) }), 'missing'],
  ['an archive that recorded that it was removed', archive({ standing: 'removed' }), 'missing'],
])('what the source and %s hold', async (_, destination, kind) => {
  expect(await kindsOf(bytes, [destination])).toEqual([kind]);
});

test('hashes that are not listed are asked for, and without any nothing counts as equal', async () => {
  const source = new MemoryStore('source', [[id, bytes]]);
  const [asked, silent, failing] = ['asked', 'silent', 'failing'].map((name) => new MemoryStore(name, [[id, bytes]]));
  if (asked === undefined || silent === undefined || failing === undefined) throw new Error('there are three');
  source.listsHashes = false;
  asked.listsHashes = false;
  silent.keepsHashes = false;
  failing.listsHashes = false;
  failing.before = (call) => {
    if (call === 'lookup') throw new MirrorError('unreachable', 'it is away');
  };
  const destinations = [asked, silent, failing].map((store) => ({ role: 'target', store }) as const);
  const [compared] = await Array.fromAsync(compareStores(source, destinations));
  expect(compared?.comparisons.map(({ kind, error }) => [kind, error?.code])).toEqual([
    ['equal', undefined],
    ['unknown', undefined],
    ['unknown', 'unreachable'],
  ]);
  expect([source.calls.lookup, asked.calls.open]).toEqual([1, 0]);
});

test('a source is asked as soon as one of several holds something', async () => {
  const source = new MemoryStore('source', [[id, bytes]]);
  source.listsHashes = false;
  const [compared] = await Array.fromAsync(compareStores(source, [target(), target(bytes), target(others)]));
  expect(compared?.comparisons.map(({ kind }) => kind)).toEqual(['missing', 'equal', 'conflict']);
});

test('what is no answer at all ends the comparison, and so does an end that was asked for', async () => {
  const source = new MemoryStore('source', [[id, bytes]]);
  source.listsHashes = false;
  const stop = new AbortController();
  const compare = () => Array.fromAsync(compareStores(source, [target(bytes)], { signal: stop.signal }));
  source.before = (call) => {
    if (call === 'lookup') throw new TypeError('a defect');
  };
  await expect(compare()).rejects.toThrow('a defect');
  source.before = (call) => {
    if (call !== 'lookup') return;
    stop.abort();
    throw new MirrorError('unreachable', 'the connection was given up');
  };
  await expect(compare()).rejects.toThrow('given up');
});

test('a source that cannot be asked for its hash leaves everything unknown', async () => {
  const source = new MemoryStore('source', [[id, bytes]]);
  source.listsHashes = false;
  source.before = (call) => {
    if (call === 'lookup') throw new MirrorError('unreachable', 'it is away');
  };
  const [compared] = await Array.fromAsync(compareStores(source, [target(bytes), archive(), target()]));
  const unknown = { kind: 'unknown', error: { code: 'unreachable' } };
  expect(compared).toMatchObject({ md5: undefined, comparisons: [unknown, unknown, unknown] });
});

test('a source is not asked for a hash that nobody has anything to compare with', async () => {
  const source = new MemoryStore('source', [[id, bytes]]);
  source.listsHashes = false;
  const [compared] = await Array.fromAsync(compareStores(source, [target()]));
  expect([compared?.comparisons[0]?.kind, source.calls.lookup]).toEqual(['missing', 0]);
});

test('a comparison begins behind an id, and ends when it is told to', async () => {
  const all = [1, 2, 3].map((n) => [sampleId(n), sampleBytes(n)] as const);
  const source = new MemoryStore('source', all);
  const ids = [1, 2, 3].map(sampleId).sort();
  const full: Destination = { role: 'target', store: new MemoryStore('full', all) };
  const compared = await Array.fromAsync(compareStores(source, [full], { after: ids[0] }));
  expect(compared.map((one) => one.id)).toEqual(ids.slice(1));
  const signal = AbortSignal.abort(new Error('stopped'));
  await expect(Array.fromAsync(compareStores(source, [target()], { signal }))).rejects.toThrow('stopped');
});
