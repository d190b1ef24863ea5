/** The libraries of this Debian machine that a program needs: what an image holds beside the program. */
import { execFileSync } from 'node:child_process';
import { basename, dirname } from 'node:path';

/** A file that Debian installed. */
export interface DebianFile {
  /** Where the program looks for it: `/lib/x86_64-linux-gnu/libc.so.6`. */
  readonly path: string;
  readonly package: string;
  readonly version: string;
}

/** Those that the dynamic loader would take, the loader itself too. Throws where that is not Debian. */
export function librariesOf(program: string): readonly DebianFile[] {
  const listed = execFileSync('ldd', [program], { encoding: 'utf8' });
  const paths = [...listed.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, path = '']) => path);
  // Names of hosts are resolved by it, and no program is linked with it.
  const resolver = paths.find((path) => basename(path) === 'libc.so.6')?.replace('libc.so.6', 'libresolv.so.2');
  return [...paths, ...(resolver === undefined ? [] : [resolver])]
    .map(debianFile)
    .toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

function debianFile(path: string): DebianFile {
  // Debian may know the file below /usr, or not.
  const found = dpkg('--search', `*/${basename(dirname(path))}/${basename(path)}`).split(':')[0] ?? '';
  return { path, package: found, version: dpkg('--show', found).split('\n')[0]?.split('\t')[1] ?? '' };
}

function dpkg(...args: readonly string[]): string {
  return execFileSync('dpkg-query', args, { encoding: 'utf8' }).trim();
}
