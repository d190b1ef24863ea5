/** The tests that `npm run mutate` runs against each defect: in memory or in folders, always with the same choices. */
import { defineConfig } from 'vitest/config';

process.env.TEST_SEED ??= '1';

export default defineConfig({
  test: {
    include: ['test/unit/**/*.test.ts', 'test/simulated/**/*.test.ts', 'test/contract/**/*.test.ts'],
    // What kills processes or measures memory is slow, and sees no other defects.
    exclude: ['test/contract/archive-{kills,memory}.test.ts'],
    testTimeout: 30_000,
  },
});
