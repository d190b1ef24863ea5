/** The ways of an instance through the code, as `docs/design.md` tells them, are those that the code takes. */
import { globSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { importsOf } from '../support/imports.ts';

const page = readFileSync('docs/design.md', 'utf8');
const [, section = ''] =
  /## Find your way: one instance through five files\n([\s\S]*?)\n## /.exec(`${page}\n## `) ?? [];
const walks = section
  .split(/^### /m)
  .slice(1)
  .map((text) => {
    const [title = ''] = text.split('\n');
    const files = [...text.matchAll(/^\d+\. `([^`]+)`/gm)].map(([, file = '']) => file);
    const calls = [...text.matchAll(/`([^`]+\.ts)`[^`]* calls `([^`]+\.ts)`/g)];
    const steps = files.slice(1).map((file, index) => [files[index] ?? '', file] as const);
    return { title, files, steps: [...calls.map(([, from = '', to = '']) => [from, to] as const), ...steps] };
  });

test('there is a walk for one machine, one to the queue and one from it, and each copy ends in the same file', () => {
  expect(walks.map(({ files }) => files.length)).toEqual([5, 4, 5]);
  const [onOneMachine, , fromTheQueue] = walks.map(({ files }) => files.at(-1));
  expect(onOneMachine).toBe(fromTheQueue);
});

describe.each(walks)('$title', ({ steps }) => {
  test.each(steps)('%s imports %s', (from, to) => {
    expect(importsOf(from)).toContain(to);
  });
});

/** Where handlers get what they do: the work of functions, and what opens and answers. Elsewhere things are decided. */
const forHandlers = /^core\/(cloud|open|config)\/|^core\/(environment|errors|names)\.ts$/;
/** Reads the time in an address; decides nothing. */
const reading = 'core/archive-life/restore/moment.ts';

test.each(globSync('lambdas/*.ts'))('%s decides nothing: it uses no part of a mirror by itself', (file) => {
  const used = importsOf(file).filter((path) => path.startsWith('core/') && !forHandlers.test(path));
  expect(used.filter((path) => path !== reading)).toEqual([]);
});
