/** A short look at every parser of foreign bytes, and at everything that ever broke one. `npm run fuzz` looks longer. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { testSeed } from '../support/seeded-random.ts';
import { allTargets, corpusOf } from './all-targets.ts';

const usualRuns = 300;
const seed = testSeed();
const targets = await allTargets();

test('every target has a name of its own', () => {
  expect(new Set(targets.map(({ name }) => name)).size).toBe(targets.length);
});

describe('a parser of foreign bytes', () => {
  test.each(targets)('holds what it promises: $name', async ({ inputs, check, runs }) => {
    const property = fc.asyncProperty(inputs, async (input) => check(input));
    await fc.assert(property, { seed, numRuns: runs ?? usualRuns });
  });

  test.each(targets)('no longer breaks by what once broke it: $name', async ({ name, check }) => {
    for (const [file, input] of await corpusOf(name)) {
      await expect(Promise.resolve(check(input)), file).resolves.toBeUndefined();
    }
  });
});
