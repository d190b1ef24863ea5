import { readFile } from 'node:fs/promises';
import { parse } from 'jsonc-parser';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { parseConfiguration } from '../../core/config/load.ts';
import { configurationJsonSchema, configurationReference } from '../../core/config/reference.ts';

const reference = await readFile(new URL('../../docs/configuration.md', import.meta.url), 'utf8');

test('docs/configuration.md is what the schema says; if not, run node scripts/write-references.ts', () => {
  expect(reference).toBe(configurationReference());
});

test('every field is explained', () => {
  const rows = reference.split('\n').filter((line) => line.startsWith('| `'));
  expect(rows.length).toBeGreaterThan(40);
  expect(rows.filter((row) => row.endsWith('|  |'))).toEqual([]);
});

test('the JSON schema for editors takes what the program takes, and finds a field that is misspelt', async () => {
  const text = await readFile(new URL('../../infra/example.config.jsonc', import.meta.url), 'utf8');
  const example: object = { $schema: './configuration.schema.json', ...parse(text) };
  const schema = z.fromJSONSchema(configurationJsonSchema());
  expect(schema.safeParse(example).error).toBeUndefined();
  expect(parseConfiguration(JSON.stringify(example), 'the example').mirrors).toBeDefined();
  expect(schema.safeParse({ ...example, mirorrs: {} }).success).toBe(false);
});
