/**
 * Random histories on real servers, with archives in folders and in S3: what `test/unit/histories.test.ts` plays in memory,
 * here with everything real but the clock of the records.
 *
 * `TEST_SEED=… npx vitest run test/integration/histories.test.ts` begins with one of them, on every server and place.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { S3Objects } from '../../core/stores/archive/s3-objects.ts';
import { newOrthanc, oldOrthanc } from '../../local/orthanc-versions.ts';
import { type S3UnderTest, startS3UnderTest } from '../contract/s3-under-test.ts';
import { playHistory } from '../support/histories/play-history.ts';
import { RealWorld } from '../support/histories/real-world.ts';
import { type ServerUnderTest, startServer } from '../support/orthanc/study-fixture.ts';
import { SeededRandom, testSeeds } from '../support/seeded-random.ts';

const seeds = testSeeds(10);
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
  ])(`10 histories, to %s: every restore equals the log`, async (_, placeInS3) => {
    let moments = 0;
    for (const seed of seeds) {
      const world = await RealWorld.begin({ server, seed, placeInS3 });
      try {
        moments += await playHistory(world, new SeededRandom(seed), { steps: 14, moments: 4 });
      } finally {
        await world.end();
      }
    }
    expect(moments).toBeGreaterThan(seeds.length);
  });
});
