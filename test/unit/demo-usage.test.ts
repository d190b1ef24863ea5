/** What the demo says before it starts anything. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const demo = fileURLToPath(new URL('../../local/demo.ts', import.meta.url));

test.each([
  ['its help', ['--help'], 0, 'npm run demo'],
  ['which folder is not there', ['--data', '/nonexistent'], 2, 'there is no folder /nonexistent'],
  ['which option it does not know', ['--date', '/tmp'], 2, "Unknown option '--date'"],
])('it says %s, and shows no stack', (_, args, exitCode, says) => {
  const ended = spawnSync(process.execPath, [demo, ...args], { encoding: 'utf8' });
  expect(ended.stdout + ended.stderr).toContain(says);
  expect(ended.stdout + ended.stderr).not.toMatch(/^\s+at /m);
  expect(ended.status).toBe(exitCode);
});
