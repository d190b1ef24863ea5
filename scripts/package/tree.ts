/** What an artefact holds, before it is a folder or a tar: paths with their contents and modes, and nothing of this machine. */
import { createReadStream } from 'node:fs';
import { chmod, cp, lutimes, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';

export type Entry =
  | { readonly kind: 'file'; readonly mode: number; readonly content: Buffer | { readonly from: string } }
  | { readonly kind: 'link'; readonly to: string }
  | { readonly kind: 'folder'; readonly mode: number };

/** By path, relative and with slashes. Folders above an entry need not be named. */
export type Tree = ReadonlyMap<string, Entry>;

export function file(content: string | Buffer, mode = 0o644): Entry {
  return { kind: 'file', mode, content: Buffer.from(content) };
}

/** The file of this machine, also where `path` is a link to it. */
export function copyOf(path: string, mode = 0o644): Entry {
  return { kind: 'file', mode, content: { from: path } };
}

export function link(to: string): Entry {
  return { kind: 'link', to };
}

/** Every file below a folder of this machine, under the same names. */
export async function copyOfFolder(folder: string): Promise<Tree> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = found.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name));
  return new Map(paths.toSorted().map((path) => [path.slice(folder.length + 1), copyOf(path)]));
}

/** The same, below a folder. */
export function below(folder: string, tree: Tree): Tree {
  return new Map([...tree].map(([path, entry]) => [`${folder}/${path}`, entry]));
}

/** All of them; of two entries with one path the later one. */
export function joined(...trees: readonly Tree[]): Tree {
  return new Map(trees.flatMap((tree) => [...tree]));
}

/** Bytes of all files. */
export async function sizeOf(tree: Tree): Promise<number> {
  const sizes = await Promise.all([...tree.values()].map(sizeOfEntry));
  return sizes.reduce((sum, size) => sum + size, 0);
}

export async function contentOf(entry: Entry): Promise<Buffer> {
  if (entry.kind !== 'file') return Buffer.alloc(0);
  return Buffer.isBuffer(entry.content) ? entry.content : readFile(entry.content.from);
}

/** Writes the tree below a folder; every time in it is `time`, every mode as said, whatever the umask. */
export async function writeTree(tree: Tree, folder: string, time: Date): Promise<void> {
  const entries = withFolders(new Map([...tree, ['.', { kind: 'folder', mode: 0o755 }]]));
  for (const [path, entry] of entries) await writeEntry(join(folder, path), entry);
  // Deepest first: writing into a folder changes the time of the folder.
  for (const [path] of entries.toReversed()) await lutimes(join(folder, path), time, time);
}

/** The tree as a tar, in the order of the paths, owned by root. */
export function packTree(tree: Tree, time: Date): Pack {
  const packed = pack();
  const filled = (async () => {
    for (const [path, entry] of withFolders(tree)) await packEntry(packed, path, entry, time);
    packed.finalize();
  })();
  filled.catch((error: unknown) => packed.destroy(error instanceof Error ? error : new Error('cannot pack')));
  return packed;
}

/** Sorted, with the folders that the paths imply before what they hold. */
function withFolders(tree: Tree): readonly (readonly [string, Entry])[] {
  const all = new Map(tree);
  for (const path of tree.keys()) {
    for (let above = dirname(path); above !== '.'; above = dirname(above)) {
      if (!all.has(above)) all.set(above, { kind: 'folder', mode: 0o755 });
    }
  }
  return [...all].toSorted(([one], [other]) => (one < other ? -1 : 1));
}

async function writeEntry(path: string, entry: Entry): Promise<void> {
  if (entry.kind === 'link') return symlink(entry.to, path);
  if (entry.kind === 'folder') await mkdir(path, { recursive: true });
  else if (Buffer.isBuffer(entry.content)) await writeFile(path, entry.content);
  else await cp(entry.content.from, path, { dereference: true });
  await chmod(path, entry.mode);
}

async function packEntry(packed: Pack, path: string, entry: Entry, mtime: Date): Promise<void> {
  const common = { name: path, mtime, uid: 0, gid: 0 };
  if (entry.kind === 'link') return void packed.entry({ ...common, type: 'symlink', linkname: entry.to });
  if (entry.kind === 'folder') return void packed.entry({ ...common, type: 'directory', mode: entry.mode });
  const { content, mode } = entry;
  if (Buffer.isBuffer(content)) return void packed.entry({ ...common, mode }, content);
  const { size } = await stat(content.from);
  await pipeline(createReadStream(content.from), packed.entry({ ...common, mode, size }));
}

async function sizeOfEntry(entry: Entry): Promise<number> {
  if (entry.kind !== 'file') return 0;
  return Buffer.isBuffer(entry.content) ? entry.content.length : (await stat(entry.content.from)).size;
}
