import { readdir, readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { commandTree, everyCommand } from '../../scripts/package/command-tree.ts';

test('the page of dependencies names every direct dependency, and no other, each with a reason', async () => {
  const page = await readFile(new URL('../../docs/dependencies.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `([^`]+)` \| (.+) \|$/gm)];
  const { dependencies, devDependencies, optionalDependencies } = packageJson;
  const direct = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
  expect(new Set(rows.map(([, name]) => name))).toEqual(new Set(direct));
  expect(rows).toHaveLength(direct.length);
  expect(rows.every(([, , reason]) => (reason ?? '').trim().length > 5)).toBe(true);
});

const pages = new URL('../../docs/', import.meta.url);
const options = everyCommand(commandTree()).flatMap((command) => command.options);

test('every option is an environment variable, but those that docs/command-line.md names', async () => {
  const page = await readFile(new URL('command-line.md', pages), 'utf8');
  const flagOf = (names: readonly string[]) => names.at(-1) ?? '';
  const without = options.filter(({ variable }) => variable === undefined).map(({ names }) => flagOf(names));
  const named = new Set([
    '--help',
    '--version',
    '--yes',
    '--no-index',
    '--schedule',
    '--i-know-this-backup-is-not-authenticated',
  ]);
  expect(new Set(without)).toEqual(named);
  for (const flag of ['--yes', '--no-index', '--schedule']) expect(page).toContain(flag);
});

test('every page is named by docs/README.md, and every link between pages leads to a page and a chapter', async () => {
  const names = (await readdir(pages)).filter((name) => name.endsWith('.md'));
  const texts = new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(new URL(name, pages), 'utf8')] as const)),
  );
  const readme = await readFile(new URL('../README.md', pages), 'utf8');
  const ofReadme = [...readme.matchAll(/\]\(docs\/([^)]*)\)/g)].map(([, target]) => `](${target})`).join('\n');
  const wrong = [['README', ofReadme] as const, ...texts].flatMap(([page, text]) =>
    [...text.matchAll(/\]\(([\w-]+\.md)?(?:#([\w-]+))?\)/g)]
      .filter(([, name = page, chapter]) => !chaptersOf(texts.get(name)).has(chapter ?? ''))
      .map(([link]) => `${page}: ${link}`),
  );
  expect(wrong).toEqual([]);
  const listed = texts.get('README.md') ?? '';
  expect(names.filter((name) => name !== 'README.md' && !listed.includes(`(${name})`))).toEqual([]);
});

/** As GitHub makes anchors of them; empty for the page itself. */
function chaptersOf(text: string | undefined): ReadonlySet<string> {
  if (text === undefined) return new Set();
  const titles = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => title);
  return new Set([
    '',
    ...titles.map((title) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  ]);
}
