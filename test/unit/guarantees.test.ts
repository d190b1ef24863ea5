/** What `docs/guarantees.md` says is held by tests, is held by tests that exist. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const page = readFileSync('docs/guarantees.md', 'utf8');

test('every test that the page names exists', () => {
  const named = [...page.matchAll(/`(test\/[^`]+)`/g)].map(([, file]) => file ?? '');
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter((file) => !existsSync(file))).toEqual([]);
});

test('every line of the threat model names the test that holds it', () => {
  const [, model = ''] = /## Threat model\n([\s\S]*?)\n### /.exec(page) ?? [];
  const rows = model.split('\n').filter((line) => /^\| (?!who \||---)/.test(line));
  expect(rows.length).toBeGreaterThan(12);
  expect(rows.filter((row) => !/`test\/[^`]+`[^|]*\|$/.test(row))).toEqual([]);
});
