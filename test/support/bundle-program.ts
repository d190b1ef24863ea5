/**
 * Writes the program, as every artefact has it, into a folder, and beside it what makes its passphrases quick as JavaScript,
 * which every start would translate: `node bundle-program.ts FOLDER`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildProgram } from '../../scripts/package/program.ts';
import { releaseOf } from '../../scripts/package/release.ts';
import { writeTree } from '../../scripts/package/tree.ts';

const [, , folder] = process.argv;
if (folder === undefined) throw new Error('name the folder');
const release = releaseOf(fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, ''), true);
const { code } = await buildProgram(release);
await writeTree(code, folder, release.time);
const quick = readFileSync(new URL('quick-passphrases.ts', import.meta.url), 'utf8');
writeFileSync(join(folder, 'quick-passphrases.js'), stripTypeScriptTypes(quick));
