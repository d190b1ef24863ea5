/** Inputs for fuzzing: bytes, texts and JSON that were real and then were changed as accidents and enemies change them. */
import fc from 'fast-check';

/** Numbers at which lengths and offsets go wrong. */
const edges = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

type Mutation = (bytes: Buffer) => Buffer;

/** A position in bytes of any length; more often near the beginning, where headers are. */
const place = fc.oneof({ weight: 3, arbitrary: fc.nat(400) }, { weight: 1, arbitrary: fc.nat(1_000_000) });

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(place, fc.nat(255)).map(
    ([at, byte]) =>
      (bytes: Buffer) =>
        set(bytes, at, Buffer.from([byte])),
  ),
  fc.tuple(place, fc.nat(7)).map(([at, bit]) => (bytes: Buffer) => {
    const index = at % Math.max(1, bytes.length);
    return set(bytes, at, Buffer.from([(bytes[index] ?? 0) ^ (1 << bit)]));
  }),
  fc.tuple(place, fc.constantFrom(...edges), fc.constantFrom(1, 2, 4, 8), fc.boolean()).map(
    ([at, edge, width, big]) =>
      (bytes: Buffer) =>
        set(bytes, at, numberOf(edge, width, big)),
  ),
  fc.tuple(place, fc.nat(64)).map(([at, length]) => (bytes: Buffer) => {
    const from = at % Math.max(1, bytes.length);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + length)]);
  }),
  fc.tuple(place, fc.uint8Array({ maxLength: 40 })).map(([at, more]) => (bytes: Buffer) => {
    const from = at % (bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, from), more, bytes.subarray(from)]);
  }),
  fc.tuple(place, fc.nat(200), fc.integer({ min: 1, max: 20 })).map(([at, length, times]) => (bytes: Buffer) => {
    const from = at % (bytes.length + 1);
    const part = bytes.subarray(from, from + length);
    return Buffer.concat([bytes.subarray(0, from), ...Array.from({ length: times }, () => part), bytes.subarray(from)]);
  }),
  place.map((at) => (bytes: Buffer) => bytes.subarray(0, at % (bytes.length + 1))),
);

function set(bytes: Buffer, at: number, value: Buffer): Buffer {
  if (bytes.length === 0) return value;
  const changed = Buffer.from(bytes);
  value.copy(changed, at % bytes.length);
  return changed;
}

function numberOf(value: number, width: number, big: boolean): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  const little = bytes.subarray(0, width);
  return big ? Buffer.from(little).reverse() : little;
}

/** Real inputs as they are, changed in some places, and two of them joined; and now and then no real input at all. */
export function mutatedBytes(seeds: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const seed: fc.Arbitrary<Buffer> = fc.constantFrom(...seeds.map((bytes) => Buffer.from(bytes)));
  const mutated = fc
    .tuple(seed, fc.array(mutation, { minLength: 1, maxLength: 6 }))
    .map(([bytes, mutations]) => mutations.reduce<Buffer>((changed, mutate) => mutate(changed), bytes));
  const joined = fc
    .tuple(seed, place, seed, place)
    .map(([one, end, other, start]) => Buffer.concat([one.subarray(0, end), other.subarray(start % other.length)]));
  return fc.oneof(
    { weight: 1, arbitrary: seed },
    { weight: 12, arbitrary: mutated },
    { weight: 3, arbitrary: joined },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 2000 }) },
  );
}

/** Texts that were real, and texts of their characters. */
export function mutatedTexts(seeds: readonly string[]): fc.Arbitrary<Uint8Array> {
  const letters = [...new Set(seeds.join(''))];
  const ofTheirLetters = fc.string({ unit: fc.constantFrom(...letters), maxLength: 200 });
  const long = fc
    .tuple(fc.constantFrom(...letters), fc.constantFrom(...seeds), fc.nat(20_000))
    .map(([letter, seed, length]) => `${seed}${letter.repeat(length)}${seed}`);
  return fc.oneof(
    { weight: 6, arbitrary: mutatedBytes(seeds.map((text) => Buffer.from(text))) },
    { weight: 3, arbitrary: ofTheirLetters.map((text) => Buffer.from(text)) },
    { weight: 1, arbitrary: long.map((text) => Buffer.from(text)) },
    { weight: 2, arbitrary: fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)) },
  );
}

/** Values that no schema expects where it expects another. */
const strange: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 0, 1.5, 1e300, 2 ** 53, '', '../..', '\u0000', '\u202e', [], {}, [[]]),
  fc.constantFrom<unknown>('constructor', '__proto__', 'toString', { constructor: 1 }, Array(50).fill(0)),
  fc.jsonValue({ maxDepth: 2 }),
);

interface TreeChange {
  readonly path: readonly number[];
  readonly how: 'replace' | 'remove' | 'double' | 'add';
  readonly value: unknown;
  readonly key: string;
}

const treeChange: fc.Arbitrary<TreeChange> = fc.record({
  path: fc.array(fc.nat(20), { maxLength: 6 }),
  how: fc.constantFrom('replace', 'remove', 'double', 'add'),
  value: strange,
  key: fc.constantFrom('x', 'constructor', 'toString', 'id', 'ID', '1024', '-1', ''),
});

/** JSON documents that were real: with values replaced, removed, doubled and added, and as mutated texts. */
export function mutatedJson(seeds: readonly unknown[]): fc.Arbitrary<Uint8Array> {
  const texts = seeds.map((seed) => Buffer.from(JSON.stringify(seed)));
  const changed = fc
    .tuple(fc.constantFrom(...texts), fc.array(treeChange, { minLength: 1, maxLength: 4 }), fc.boolean())
    .map(([text, changes, indented]) => {
      const value = changes.reduce(changeTree, JSON.parse(String(text)));
      return Buffer.from(JSON.stringify(value, undefined, indented ? 2 : 0) ?? 'null');
    });
  return fc.oneof({ weight: 3, arbitrary: changed }, { weight: 1, arbitrary: mutatedBytes(texts) });
}

function changeTree(tree: unknown, { path, how, value, key }: TreeChange): unknown {
  if (typeof tree !== 'object' || tree === null) return value;
  const keys = Object.keys(tree);
  const [step, ...rest] = path;
  const chosen = step === undefined || keys.length === 0 ? undefined : keys[step % keys.length];
  const entries = Object.entries(tree);
  if (chosen === undefined) return how === 'replace' ? value : withEntry(tree, key, value);
  const below = entries.find(([name]) => name === chosen)?.[1];
  if (rest.length > 0 && typeof below === 'object' && below !== null) {
    return withEntry(tree, chosen, changeTree(below, { path: rest, how, value, key }));
  }
  switch (how) {
    case 'replace':
      return withEntry(tree, chosen, value);
    case 'remove':
      return Array.isArray(tree)
        ? tree.filter((_, index) => String(index) !== chosen)
        : Object.fromEntries(entries.filter(([name]) => name !== chosen));
    case 'double':
      return Array.isArray(tree) ? [...tree, below] : withEntry(tree, key, below);
    case 'add':
      return withEntry(tree, key, value);
  }
}

function withEntry(tree: object, key: string, value: unknown): unknown {
  if (Array.isArray(tree)) {
    const index = Number(key);
    return Number.isInteger(index) && index >= 0 && index < tree.length ? tree.with(index, value) : [...tree, value];
  }
  return Object.fromEntries([...Object.entries(tree).filter(([name]) => name !== key), [key, value]]);
}
