/**
 * Random histories: whatever happens at a source, to the clocks and to the times of the archive, the present of the archive
 * is what the source holds, and every moment of its past is what the source held then.
 *
 * `HISTORY_SEED=… npx vitest run test/unit/histories.test.ts` plays one of them again.
 */
import { expect, test } from 'vitest';
import { playHistory } from '../support/histories/play-history.ts';
import { SimulatedWorld } from '../support/histories/simulated-world.ts';
import { SeededRandom, seedsOf } from '../support/seeded-random.ts';

const seeds = seedsOf('HISTORY_SEED', 500);

test(`${seeds.length} histories from HISTORY_SEED=${seeds[0]} on: every restore equals the log of what the source held`, async () => {
  let moments = 0;
  for (const seed of seeds) {
    const random = new SeededRandom(seed);
    const world = new SimulatedWorld({ resolutionMs: random.pick([1, 1000]) });
    moments += await playHistory(world, random, { steps: 30, moments: 8 });
  }
  // Of a single one, the clocks may leave no moment of which anybody is sure.
  if (seeds.length > 1) expect(moments).toBeGreaterThan(3 * seeds.length);
});
