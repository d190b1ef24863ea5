import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

/** Every random choice of a test follows from it (`test/support/seeded-random.ts`). */
process.env.TEST_SEED ??= String(randomInt(2 ** 31));

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Tests start real servers; a timeout here only ends a hang, no test asserts a duration.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    maxWorkers: 5,
    sequence: { sequencer: LongestFirst },
    globalSetup: ['test/support/run-folder.ts'],
    // As bin/orthanc-mirror has it: every program that a test starts is compiled once.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/compiled', import.meta.url)) },
  },
});
