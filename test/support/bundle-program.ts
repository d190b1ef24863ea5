/** Writes the program, as every artefact has it, into a folder: `node bundle-program.ts FOLDER`. */
import { fileURLToPath } from 'node:url';
import { buildProgram } from '../../scripts/package/program.ts';
import { releaseOf } from '../../scripts/package/release.ts';
import { writeTree } from '../../scripts/package/tree.ts';

const [, , folder] = process.argv;
if (folder === undefined) throw new Error('name the folder');
const release = releaseOf(fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, ''), true);
const { code } = await buildProgram(release);
await writeTree(code, folder, release.time);
