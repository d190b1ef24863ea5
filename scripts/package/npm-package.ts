/** The npm package: the program for machines that have Node.js. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Program } from './program.ts';
import type { Release } from './release.ts';
import { file, joined, type Tree, writeTree } from './tree.ts';

/** Writes it into the folder. @returns its name there. npm itself gives every file in it one and the same time. */
export async function writeNpmPackage(program: Program, release: Release, folder: string): Promise<string> {
  const staged = await mkdtemp(join(tmpdir(), 'orthanc-mirror-npm-'));
  try {
    await writeTree(npmTree(program), staged, release.time);
    const args = ['pack', '--silent', '--ignore-scripts', `--pack-destination=${folder}`];
    return execFileSync('npm', args, { cwd: staged, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  } finally {
    await rm(staged, { recursive: true });
  }
}

function npmTree({ code, texts, manPage, completions }: Program): Tree {
  return joined(
    code,
    texts,
    new Map([
      ['man/orthanc-mirror.1', file(manPage)],
      ...Object.entries(completions).map(
        ([shell, text]) => [`completion/orthanc-mirror.${shell}`, file(text)] as const,
      ),
    ]),
  );
}
