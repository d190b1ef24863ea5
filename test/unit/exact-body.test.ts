/** A body on its way to a server: of one that is wrong the server never gets as many bytes as were announced. */
import { expect, test } from 'vitest';
import { MirrorError } from '../../core/errors.ts';
import { defaultServerLimits, Pace } from '../../core/stores/orthanc/bounds.ts';
import { exactBody } from '../../core/stores/orthanc/exact-body.ts';

const sizeBytes = 100;
const pace = () => new Pace('target', defaultServerLimits);

async function* chunks(count: number, end?: Error): AsyncGenerator<Uint8Array> {
  for (let n = 0; n < count; n += 1) yield Buffer.alloc(10, n);
  if (end !== undefined) throw end;
}

/** @returns how many bytes of a body were given on, and what it threw in the end */
async function given(body: AsyncIterable<Uint8Array>) {
  const exact = exactBody(body, sizeBytes, pace());
  let passed = 0;
  try {
    for await (const chunk of exact.body as AsyncIterable<Uint8Array>) passed += chunk.length;
  } catch (error) {
    return { passed, error, failure: exact.failure() };
  }
  return { passed, error: undefined, failure: exact.failure() };
}

test('a right one passes whole', async () => {
  expect(await given(chunks(10))).toEqual({ passed: sizeBytes, error: undefined, failure: undefined });
});

const broken = new MirrorError('body-short', 'the source broke off');
test.each([
  ['ends early', chunks(9), 'body-short'],
  ['goes on', chunks(11), 'hash-mismatch'],
  ['breaks off at its end', chunks(10, broken), 'body-short'],
])('one that %s never passes whole, and its failure is remembered', async (_, body, code) => {
  const { passed, error, failure } = await given(body);
  expect(error).toMatchObject({ code });
  expect(failure).toBe(error);
  expect(passed).toBeLessThan(sizeBytes);
});

test('one in memory is of its size, or is not sent at all', () => {
  const right = Buffer.alloc(sizeBytes);
  expect(exactBody(right, sizeBytes, pace()).body).toBe(right);
  for (const [bytes, code] of [
    [99, 'body-short'],
    [101, 'hash-mismatch'],
  ] as const) {
    expect(() => exactBody(Buffer.alloc(bytes), sizeBytes, pace())).toThrow(expect.objectContaining({ code }));
  }
});

test('a receiver that gives up ends the source, and is no failure of it', async () => {
  let ended = false;
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      yield* chunks(10);
    } finally {
      ended = true;
    }
  }
  const exact = exactBody(watched(), sizeBytes, pace());
  for await (const _ of exact.body as AsyncIterable<Uint8Array>) break;
  expect([ended, exact.failure()]).toEqual([true, undefined]);
});
