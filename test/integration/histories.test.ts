/**
 * Random histories on real servers, with archives in folders and in S3: what `test/unit/histories.test.ts` plays in memory,
 * here with everything real but the clock of the records.
 *
 * `HISTORY_SEED=… npx vitest run test/integration/histories.test.ts` plays one of them again, on every server and place.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { type S3UnderTest, startS3UnderTest } from '../contract/s3-under-test.ts';
import { playHistory } from '../support/histories/play-history.ts';
import { RealWorld } from '../support/histories/real-world.ts';
import { type ServerUnderTest, startServer } from '../support/orthanc/study-fixture.ts';
import { SeededRandom, seedsOf } from '../support/seeded-random.ts';

const seeds = seedsOf('HISTORY_SEED', 10);
let s3: S3UnderTest;
beforeAll(async () => {
  s3 = await startS3UnderTest();
});
afterAll(() => s3.close());

describe.each([oldOrthanc(), newOrthanc()].map(({ version }) => version))('%s', (version) => {
  let server: ServerUnderTest;
  beforeAll(async () => {
    server = await startServer(version, { OverwriteInstances: true });
  });
  afterAll(() => server.stop());

  test.each([
    ['a folder', undefined],
    ['S3', () => new S3Objects(s3.newPlace().options)],
  ])(
    `${seeds.length} histories from HISTORY_SEED=${seeds[0]} on, to %s: every restore equals the log`,
    async (_, placeInS3) => {
      let moments = 0;
      for (const seed of seeds) {
        const world = await RealWorld.begin({ server, seed, placeInS3 });
        try {
          moments += await playHistory(world, new SeededRandom(seed), { steps: 14, moments: 4 });
        } finally {
          await world.end();
        }
      }
      // Of a single one, the clocks may leave no moment of which anybody is sure.
      if (seeds.length > 1) expect(moments).toBeGreaterThan(seeds.length);
    },
  );
});
