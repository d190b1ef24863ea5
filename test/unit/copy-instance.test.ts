import { describe, expect, test } from 'vitest';
import { ByteRate } from '../../core/copy/byte-rate.ts';
import { defaultBudget } from '../../core/copy/copy-context.ts';
import { copyInstance } from '../../core/copy/copy-instance.ts';
import type { CopyRequest } from '../../core/copy/decide.ts';
import { limitReads } from '../../core/copy/limit-reads.ts';
import type { CopyResult, Destination } from '../../core/copy/outcome.ts';
import { MirrorError } from '../../core/errors.ts';
import { md5Of } from '../../core/identifiers.ts';
import type { DestinationStore } from '../../core/stores/store.ts';
import { generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { MemoryStore, sampleBytes, sampleId } from '../support/memory-store.ts';

const id = sampleId(1);
const sizes = { '10 KiB': 10 * 1024, '50 MiB': 50 * 1024 * 1024 };

function setUp(sizeBytes = 100) {
  const bytes = sampleBytes(1, sizeBytes);
  const source = new MemoryStore('source', [[id, bytes]]);
  const target = new MemoryStore('target');
  const archive = new MemoryStore('archive');
  const destinations: Destination[] = [
    { role: 'target', store: target },
    { role: 'archive', store: archive },
  ];
  const copy = (request: Partial<CopyRequest> = {}, signal?: AbortSignal): Promise<CopyResult> =>
    copyInstance({ id, lacking: destinations, undecided: [], ...request }, { source, signal, budget: defaultBudget() });
  return { bytes, source, target, archive, destinations, copy };
}

function withFlippedBit(bytes: Uint8Array, at: number): Uint8Array {
  const damaged = Uint8Array.from(bytes);
  damaged[at] = (damaged[at] ?? 0) ^ 1;
  return damaged;
}

function kindsOf({ outcomes }: CopyResult): Record<string, string> {
  return Object.fromEntries(
    outcomes.map(({ destination, kind, error }) => [destination.store.name, error?.code ?? kind]),
  );
}

test('memory is used again once every destination confirmed, and never while one might still read it', async () => {
  const sizeBytes = 100_000;
  const source = new MemoryStore(
    'source',
    [1, 2, 3, 4].map((n) => [sampleId(n), sampleBytes(n, sizeBytes)]),
  );
  const seen: Uint8Array[] = [];
  let failing = false;
  const target = new MemoryStore('target');
  const keeping: DestinationStore = {
    name: 'target',
    inventory: (options) => target.inventory(options),
    lookup: (one) => target.lookup(one),
    open: (one) => target.open(one),
    close: () => target.close(),
    store: async (instance, body) => {
      if (body instanceof Uint8Array) seen.push(body);
      if (failing) throw new MirrorError('unreachable', 'target does not answer');
      return target.store(instance, body);
    },
  };
  const budget = defaultBudget();
  for (const n of [1, 2, 3, 4]) {
    failing = n === 2;
    await copyInstance(
      { id: sampleId(n), lacking: [{ role: 'target', store: keeping }], undecided: [] },
      { source, budget },
    );
  }
  const [first, second, third, fourth] = seen;
  expect(second?.buffer).toBe(first?.buffer);
  expect(third?.buffer).not.toBe(second?.buffer);
  expect(md5Of(second ?? new Uint8Array())).toBe(md5Of(sampleBytes(2, sizeBytes)));
  expect(fourth?.buffer).toBe(third?.buffer);
  expect([...target.instances.keys()]).toEqual([1, 3, 4].map(sampleId));
});

describe.each([4096, 6 * 1024 * 1024])('a source whose ids are claims', (sizeBytes) => {
  const [asked, served] = [0, 1].map((n) => generateInstance(placeOfNth('claimed', n), sizeBytes));
  if (asked === undefined || served === undefined) throw new Error('there are two');

  async function copyOf(bytes: Uint8Array) {
    const source = new MemoryStore('source', [[asked?.id ?? id, bytes]]);
    source.idsAreProven = false;
    const archive = new MemoryStore('archive');
    const request = { id: asked?.id ?? id, lacking: [{ role: 'archive', store: archive } as const], undecided: [] };
    const slowly = limitReads(source, new ByteRate({ bytesPerSecond: 1e9 }));
    const results = [];
    for (const reader of [source, slowly])
      results.push(await copyInstance(request, { source: reader, budget: defaultBudget() }));
    return { kinds: results.map(kindsOf), held: archive.instances.size };
  }

  test('is copied from what it delivers itself', async () => {
    expect(await copyOf(asked.bytes)).toMatchObject({ kinds: [{ archive: 'copied' }, {}], held: 1 });
  });

  test.each([
    ['another instance', served.bytes, 'wrong-id'],
    ['no DICOM file', sampleBytes(1, sizeBytes), 'not-dicom'],
  ])('brings nothing anywhere when it delivers %s', async (_, bytes, code) => {
    expect(await copyOf(bytes)).toEqual({ kinds: [{ archive: code }, { archive: code }], held: 0 });
  });
});

describe.each(Object.entries(sizes))('an instance of %s', (_, sizeBytes) => {
  test('is read once and reaches every destination with its bytes', async () => {
    const { bytes, source, target, archive, copy } = setUp(sizeBytes);
    expect(kindsOf(await copy())).toEqual({ target: 'copied', archive: 'copied' });
    expect(source.calls.open).toBe(1);
    for (const store of [target, archive])
      expect(md5Of(store.instances.get(id) ?? new Uint8Array())).toBe(md5Of(bytes));
  });

  test.each([
    ['a changed byte', 'hash-wrong', (bytes: Uint8Array) => withFlippedBit(bytes, 5000)],
    ['a missing end', 'body-short', (bytes: Uint8Array) => bytes.subarray(0, bytes.byteLength - 1)],
  ])('with %s on the way is completed nowhere', async (_name, code, damage) => {
    const { source, target, archive, copy } = setUp(sizeBytes);
    source.transport = (_id, bytes) => damage(bytes);
    expect(kindsOf(await copy())).toEqual({ target: code, archive: code });
    expect([target.instances.size, archive.instances.size]).toEqual([0, 0]);
  });

  test('that was damaged once is read a second time and copied', async () => {
    const { source, target, archive, copy } = setUp(sizeBytes);
    source.transport = (_id, bytes) => {
      source.transport = (_other, whole) => whole;
      return withFlippedBit(bytes, 0);
    };
    expect(kindsOf(await copy())).toEqual({ target: 'copied', archive: 'copied' });
    expect([target.instances.size, archive.instances.size]).toEqual([1, 1]);
  });

  test('reaches one destination although the other fails', async () => {
    const { target, archive, copy } = setUp(sizeBytes);
    target.before = (call) => {
      if (call === 'store') throw new MirrorError('full', 'target is full');
    };
    expect(kindsOf(await copy())).toEqual({ target: 'full', archive: 'copied' });
    expect(archive.instances.size).toBe(1);
  });

  test('is proven by two reads where the source keeps no hashes', async () => {
    const { source, copy, target, archive } = setUp(sizeBytes);
    source.keepsHashes = false;
    expect(kindsOf(await copy())).toEqual({ target: 'copied', archive: 'copied' });
    expect([target.instances.size, archive.instances.size]).toEqual([1, 1]);
  });
});

describe('an instance whose presence is not known', () => {
  test('is not read when every destination holds it', async () => {
    const { source, target, archive, bytes, destinations, copy } = setUp();
    for (const store of [target, archive]) store.instances.set(id, bytes);
    expect(kindsOf(await copy({ lacking: [], undecided: destinations }))).toEqual({
      target: 'already-equal',
      archive: 'already-equal',
    });
    expect(source.calls.open).toBe(0);
  });

  test('is a conflict where the target holds other bytes, and is archived all the same', async () => {
    const { target, destinations, copy } = setUp();
    target.instances.set(id, sampleBytes(2));
    expect(kindsOf(await copy({ lacking: [], undecided: destinations }))).toEqual({
      target: 'conflict',
      archive: 'copied',
    });
    expect(target.instances.get(id)).toEqual(sampleBytes(2));
  });

  test('costs the source one request when no destination holds it', async () => {
    const { source, destinations, copy } = setUp();
    await copy({ lacking: [], undecided: destinations });
    expect(source.calls).toMatchObject({ lookup: 0, open: 1 });
  });

  test('has vanished when the source deleted it meanwhile', async () => {
    const { source, copy } = setUp();
    source.instances.clear();
    expect((await copy()).outcomes.map(({ kind }) => kind)).toEqual(['vanished', 'vanished']);
  });
});

test('an aborted copy is reported with the reason of the abort', async () => {
  const { source, copy, target } = setUp();
  const stop = new AbortController();
  source.before = (call) => {
    if (call !== 'open') return;
    stop.abort(new MirrorError('deadline', 'no time left'));
    throw new Error('torn connection');
  };
  expect(kindsOf(await copy({}, stop.signal))).toEqual({ target: 'deadline', archive: 'deadline' });
  expect(target.instances.size).toBe(0);
});

test('a defect is thrown, not reported as an outcome', async () => {
  const { source, copy } = setUp();
  source.before = () => {
    throw new TypeError('a defect');
  };
  await expect(copy()).rejects.toThrow(TypeError);
});
