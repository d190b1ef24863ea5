import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { configurationReference } from '../../core/config/reference.ts';

const reference = await readFile(new URL('../../docs/configuration.md', import.meta.url), 'utf8');

test('docs/configuration.md is what the schema says; if not, run node scripts/write-configuration-reference.ts', () => {
  expect(reference).toBe(configurationReference());
});

test('every field is explained', () => {
  const rows = reference.split('\n').filter((line) => line.startsWith('| `'));
  expect(rows.length).toBeGreaterThan(40);
  expect(rows.filter((row) => row.endsWith('|  |'))).toEqual([]);
});
