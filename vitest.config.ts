import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Tests start real servers; a timeout here only ends a hang, no test asserts a duration.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    maxWorkers: 3,
  },
});
