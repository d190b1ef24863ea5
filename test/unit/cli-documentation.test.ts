import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };

test('the page of dependencies names every direct dependency, and no other, each with a reason', async () => {
  const page = await readFile(new URL('../../docs/dependencies.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([^`]+)` \| (.+) \|$/gm)];
  const { dependencies, devDependencies, optionalDependencies } = packageJson;
  const direct = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
  expect(new Set(rows.map(([, name]) => name))).toEqual(new Set(direct));
  expect(rows).toHaveLength(direct.length);
  expect(rows.every(([, , reason]) => (reason ?? '').trim().length > 5)).toBe(true);
});
