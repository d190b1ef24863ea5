/** The fenced blocks of the README and of `docs/`, and how a reader would run them. */
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

export const checkout = new URL('../../..', import.meta.url).pathname;
const docs = (await readdir(join(checkout, 'docs'))).filter((name) => name.endsWith('.md')).toSorted();
const pages = ['README.md', ...docs.map((name) => join('docs', name))];
const texts = await Promise.all(pages.map((page) => readFile(join(checkout, page), 'utf8')));

interface Block {
  readonly language: string;
  readonly text: string;
  /** The comment right before the block. */
  readonly note: string;
}

const blocks: readonly Block[] = texts.flatMap((page) =>
  [...page.matchAll(/(?:<!-- (.*?) -->\n)?```(\w+)\n(.*?)```/gs)].map(([, note = '', language = '', text = '']) => ({
    note,
    language,
    text,
  })),
);
export const commands = blocks.filter(({ language }) => language === 'sh');

/** What the pages call their servers, files and studies, and what that is in the test; replaced in this order. */
export type Words = ReadonlyMap<string, string>;

/**
 * The text of a block with the words of the test.
 * @param name the note before the block; of one without a note, its text
 */
export function staged(name: string, words: Words): string {
  const found = blocks.filter(({ note, text }) => (note === '' ? text.trim() : note) === name);
  if (found[0] === undefined || found.length > 1) throw new Error(`the pages have not one block "${name}"`);
  return [...words].reduce((text, [word, meaning]) => text.replaceAll(word, meaning), found[0].text);
}

/** Runs a block in the checkout, as a reader would; throws with what it said if one of its commands fails. */
export async function runBlock(name: string, words: Words, environment: NodeJS.ProcessEnv = {}): Promise<string> {
  const env = { ...process.env, ...environment };
  const { stdout } = await promisify(execFile)('sh', ['-euc', staged(name, words)], { cwd: checkout, env });
  return stdout;
}
