import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Tests start real servers; a timeout here only ends a hang, no test asserts a duration.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    maxWorkers: 4,
    // As bin/orthanc-mirror has it: every program that a test starts is compiled once.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/compiled', import.meta.url)) },
    // Kills and outages happen at random moments on real servers: one that a busy machine upset is run once more, and told.
    retry: 1,
  },
});
