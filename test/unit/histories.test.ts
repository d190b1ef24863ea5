/**
 * Random histories: whatever happens at a source, to the clocks and to the times of the archive, the present of the archive
 * is what the source holds, and every moment of its past is what the source held then.
 *
 * `TEST_SEED=… npx vitest run test/unit/histories.test.ts` begins with one of them.
 */
import { expect, test } from 'vitest';
import { playHistory } from '../support/histories/play-history.ts';
import { SimulatedWorld } from '../support/histories/simulated-world.ts';
import { SeededRandom, testSeeds } from '../support/seeded-random.ts';

const seeds = testSeeds(500);

test(`500 histories: every restore equals the log of what the source held`, async () => {
  let moments = 0;
  for (const seed of seeds) {
    const random = new SeededRandom(seed);
    const world = new SimulatedWorld({ resolutionMs: random.pick([1, 1000]) });
    moments += await playHistory(world, random, { steps: 30, moments: 8 });
  }
  expect(moments).toBeGreaterThan(3 * seeds.length);
});
