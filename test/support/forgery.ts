/** What somebody does to an archive who may write to it, but has no passphrase; and what must not come of it. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join, relative } from 'node:path';

/** One forgery. `Archive` is what it works on: the mirror's archive, or the backups of a host. */
export interface Forgery<Archive> {
  /** What was done, in words that complete the title of a test. */
  readonly name: string;
  readonly forge: (archive: Archive) => void | Promise<void>;
}

/** Everything below a folder: type, permissions and content by relative path. */
export function treeOf(root: string, leavesOut: readonly string[] = []): ReadonlyMap<string, string> {
  const tree = new Map<string, string>();
  const visit = (path: string): void => {
    if (leavesOut.includes(path)) return;
    const found = lstatSync(path);
    tree.set(relative(root, path), `${found.mode.toString(8)} ${contentOf(path)}`);
    if (found.isDirectory()) for (const name of readdirSync(path).sort()) visit(join(path, name));
  };
  visit(root);
  return tree;
}

function contentOf(path: string): string {
  const found = lstatSync(path);
  if (found.isSymbolicLink()) return readlinkSync(path);
  if (found.size > 2 ** 30) return `${found.size} bytes`;
  return found.isFile() ? createHash('sha256').update(readFileSync(path)).digest('hex') : '';
}

/** What could be run, or is not what it seems, below a folder: links, pipes, and files that somebody else may use. */
export function dangersIn(root: string): readonly string[] {
  const dangers: string[] = [];
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const { mode } = lstatSync(path);
    const most = entry.isDirectory() ? 0o750 : 0o640;
    if (!(entry.isFile() || entry.isDirectory()) || (mode & 0o7777 & ~most) !== 0) dangers.push(path);
  }
  return dangers;
}
