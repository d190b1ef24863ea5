/**
 * The process that `trials.ts` starts and may kill: runs one test file with one file of the program replaced, as often as
 * it is asked, and answers whether the tests passed. Nothing is written into the checkout: Vite loads the replaced text.
 */
import { resolve } from 'node:path';
import { createVitest } from 'vitest/node';
import { z } from 'zod';

/** `text` is what `file` reads like in this trial; without both, the program is as it is. */
const trial = z.object({ test: z.string(), file: z.string().optional(), text: z.string().optional() });

// The same choices in each trial: what fails fails because of the defect.
process.env.TEST_SEED ??= '1';

let replaced: { readonly path: string; readonly text: string } | undefined;

const vitest = await createVitest(
  {
    config: false,
    include: ['test/{unit,contract}/**/*.test.ts'],
    watch: false,
    // A cache on disk would give the text of another trial.
    fsModuleCache: false,
    pool: 'threads',
    maxWorkers: 1,
    bail: 1,
    testTimeout: 30_000,
    reporters: [{}],
    onConsoleLog: () => false,
  },
  {
    plugins: [
      {
        name: 'defect',
        enforce: 'pre',
        load: (id) => (id === replaced?.path ? replaced.text : null),
      },
    ],
  },
);
await vitest.standalone();

// Whoever started it is gone.
process.once('disconnect', () => process.exit());
process.on('message', (message) => {
  void passes(trial.parse(message)).then((passed) => process.send?.({ passed }));
});
process.send?.({ ready: true });

/** Whether a test passes with the program as the trial says. */
async function passes({ test, file, text }: z.infer<typeof trial>): Promise<boolean> {
  for (const path of new Set([replaced?.path, file === undefined ? undefined : resolve(file)])) {
    if (path !== undefined) vitest.invalidateFile(path);
  }
  replaced = file === undefined || text === undefined ? undefined : { path: resolve(file), text };
  const { testModules, unhandledErrors } = await vitest.runTestFiles([resolve(test)]);
  // Vitest also tells what it ran before.
  const run = testModules.find(({ moduleId }) => moduleId === resolve(test));
  return run?.ok() === true && unhandledErrors.length === 0;
}
