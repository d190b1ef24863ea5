/** Every parser that reads foreign bytes. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FuzzTarget } from './target.ts';
import { archiveTargets } from './targets/archives.ts';
import { dicomTargets } from './targets/dicom.ts';
import { documentTargets } from './targets/documents.ts';
import { serverTargets } from './targets/servers.ts';
import { textTargets } from './targets/texts.ts';

export async function allTargets(): Promise<readonly FuzzTarget[]> {
  return [
    ...(await dicomTargets()),
    ...(await archiveTargets()),
    ...(await documentTargets()),
    ...textTargets,
    ...serverTargets,
  ];
}

const corpus = join(import.meta.dirname, '../corpus');

/** What was ever found in a target, by the name of its file. */
export async function corpusOf(target: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const folder = join(corpus, target);
  const names = existsSync(folder) ? (await readdir(folder)).toSorted() : [];
  return new Map(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)));
}

/** Keeps an input that broke something. @returns the file. */
export async function addToCorpus(target: string, input: Uint8Array): Promise<string> {
  const folder = join(corpus, target);
  await mkdir(folder, { recursive: true });
  const file = join(folder, `found-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`);
  await writeFile(file, input);
  return file;
}
