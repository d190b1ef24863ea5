import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { secretResolver } from '../../core/config/secrets/resolve-secret.ts';
import { MirrorError } from '../../core/errors.ts';

const ref = { secretsManager: 'name' };

/** A resolver whose clock and secret can be changed. */
function resolverOf(secret: string) {
  const outside = { secret, nowMs: 0, fetched: 0 };
  const resolver = secretResolver({
    timeToLiveMs: 60_000,
    now: () => outside.nowMs,
    fetchSecret: async () => {
      outside.fetched += 1;
      return outside.secret;
    },
  });
  return { outside, resolver };
}

test('a secret is fetched once and then known for a while', async () => {
  const { outside, resolver } = resolverOf('first');
  expect(await resolver.resolve(ref)).toBe('first');
  outside.secret = 'second';
  outside.nowMs = 59_999;
  expect(await resolver.resolve(ref)).toBe('first');
  outside.nowMs = 60_000;
  expect(await resolver.resolve(ref)).toBe('second');
  expect(outside.fetched).toBe(2);
});

test('a rotated secret is fetched as soon as the server refuses the old one', async () => {
  const { outside, resolver } = resolverOf('old');
  await resolver.resolve(ref);
  outside.secret = 'new';
  outside.nowMs = 6_000;
  expect(await resolver.resolve(ref, true)).toBe('new');
  expect(await resolver.resolve(ref)).toBe('new');
});

test('a hundred refused requests at once fetch the secret once', async () => {
  const { outside, resolver } = resolverOf('old');
  await resolver.resolve(ref);
  outside.nowMs = 6_000;
  await Promise.all(Array.from({ length: 100 }, () => resolver.resolve(ref, true)));
  expect(outside.fetched).toBe(2);
});

test('a failure to fetch is not remembered', async () => {
  const fetchSecret = vi
    .fn<() => Promise<string>>()
    .mockRejectedValueOnce(new MirrorError('unreachable', 'down'))
    .mockResolvedValue('secret');
  const resolver = secretResolver({ fetchSecret });
  await expect(resolver.resolve(ref)).rejects.toMatchObject({ code: 'unreachable' });
  expect(await resolver.resolve(ref)).toBe('secret');
});

describe('while nothing can be fetched', () => {
  /** A resolver that knows a secret, before Secrets Manager went away. */
  async function resolverInNeed() {
    const outside = { nowMs: 0, fetched: 0, down: false, secret: 'good' };
    const resolver = secretResolver({
      timeToLiveMs: 60_000,
      now: () => outside.nowMs,
      fetchSecret: async () => {
        outside.fetched += 1;
        if (outside.down) throw new MirrorError('unreachable', 'down');
        return outside.secret;
      },
    });
    await resolver.resolve(ref);
    outside.down = true;
    outside.nowMs = 6_000;
    return { outside, resolver };
  }

  test('a refresh that failed takes the known secret away from nobody', async () => {
    const { resolver } = await resolverInNeed();
    expect(await resolver.resolve(ref, true)).toBe('good');
    expect(await resolver.resolve(ref)).toBe('good');
  });

  test('a hundred strangers one after the other cause one more request, not one each', async () => {
    const { outside, resolver } = await resolverInNeed();
    for (let stranger = 0; stranger < 100; stranger += 1) await resolver.resolve(ref, true);
    expect(outside.fetched).toBe(2);
  });

  test('the known secret outlives its time, but not for ever', async () => {
    const { outside, resolver } = await resolverInNeed();
    outside.nowMs = 12 * 3_600_000 - 1;
    expect(await resolver.resolve(ref)).toBe('good');
    outside.nowMs += 1;
    await expect(resolver.resolve(ref)).rejects.toMatchObject({ code: 'unreachable' });
  });

  test('a rotated secret is known as soon as it can be fetched again', async () => {
    const { outside, resolver } = await resolverInNeed();
    await resolver.resolve(ref, true);
    Object.assign(outside, { down: false, secret: 'new', nowMs: 12_000 });
    expect(await resolver.resolve(ref, true)).toBe('new');
    expect(await resolver.resolve(ref)).toBe('new');
  });
});

test('one field of a secret can be used', async () => {
  const { resolver } = resolverOf('{"username": "u", "password": "p"}');
  expect(await resolver.resolve({ ...ref, key: 'password' })).toBe('p');
});

test.each([
  ['lacks the field', '{"username": "hunter2"}'],
  ['is no JSON', 'hunter2'],
  ['holds no text there', '{"password": {"of": "hunter2"}}'],
])('a secret that %s is an error that does not repeat it', async (_what, secret) => {
  const { resolver } = resolverOf(secret);
  const error: unknown = await resolver.resolve({ ...ref, key: 'password' }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'configuration' });
  expect(error).not.toHaveProperty('cause');
  expect(String(error)).not.toContain('hunter2');
});

test('a secret in a file is read each time, without the line end', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-secret-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'password');
  const { resolver } = resolverOf('');
  await expect(resolver.resolve({ file })).rejects.toMatchObject({ code: 'configuration' });
  await writeFile(file, 'first\n');
  expect(await resolver.resolve({ file })).toBe('first');
  await writeFile(file, 'second\r\n');
  expect(await resolver.resolve({ file })).toBe('second');
});

test('a secret in a variable is read, and an empty variable is an error', async () => {
  vi.stubEnv('ORTHANC_TEST_SECRET', 'hunter2');
  vi.stubEnv('ORTHANC_TEST_EMPTY', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const { resolver } = resolverOf('');
  expect(await resolver.resolve({ env: 'ORTHANC_TEST_SECRET' })).toBe('hunter2');
  await expect(resolver.resolve({ env: 'ORTHANC_TEST_EMPTY' })).rejects.toMatchObject({ code: 'configuration' });
});
