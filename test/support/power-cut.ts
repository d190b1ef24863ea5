/**
 * What a power cut leaves of a folder. Calls of the file system are noted as they pass; of what they did survives for sure
 * only what was flushed: of a file, the content that it had when a sync began that has returned; of a folder, its entries
 * likewise. Everything else survives or not, by chance.
 */
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

type FileSystem = typeof import('node:fs/promises');

/** A file, or a folder with its entries. */
interface Node {
  readonly kind: 'file' | 'folder';
  content: Uint8Array;
  readonly entries: Map<string, Node>;
  flushed: { readonly content: Uint8Array; readonly entries: ReadonlyMap<string, Node> };
}

type Step = (world: World) => void;

class World {
  readonly root: Node = newNode('folder');
  readonly #open = new Map<number, Node>();
  readonly #flushing = new Map<number, Node['flushed']>();

  at(path: string): Node | undefined {
    return path
      .split('/')
      .filter((name) => name !== '' && name !== '.')
      .reduce<Node | undefined>((node, name) => node?.entries.get(name), this.root);
  }

  enter(path: string, node: Node): void {
    this.at(dirname(path))?.entries.set(basename(path), node);
  }

  leave(path: string): void {
    this.at(dirname(path))?.entries.delete(basename(path));
  }

  opened(handle: number, path: string): void {
    const known = this.at(path);
    if (known === undefined) this.enter(path, newNode('file'));
    const node = this.at(path);
    if (node !== undefined) this.#open.set(handle, node);
  }

  write(handle: number, bytes: Uint8Array): void {
    const node = this.#open.get(handle);
    if (node !== undefined) node.content = Buffer.concat([node.content, bytes]);
  }

  beginSync(handle: number): void {
    const node = this.#open.get(handle);
    if (node !== undefined) this.#flushing.set(handle, { content: node.content, entries: new Map(node.entries) });
  }

  endSync(handle: number): void {
    const node = this.#open.get(handle);
    const flushed = this.#flushing.get(handle);
    if (node !== undefined && flushed !== undefined) node.flushed = flushed;
  }
}

function newNode(kind: Node['kind']): Node {
  const content = new Uint8Array();
  return { kind, content, entries: new Map(), flushed: { content, entries: new Map() } };
}

/** Everything that happened below one folder, in its order. */
export class Recording {
  readonly #steps: Step[] = [];
  #root = '';
  #handles = 0;

  /** How many moments there are at which the power may go. */
  get moments(): number {
    return this.#steps.length;
  }

  /** Begins with a folder that is empty and flushed. */
  begin(root: string): void {
    this.#root = root;
    this.#steps.length = 0;
  }

  /** The file system, whose calls are noted. */
  around(real: FileSystem): Partial<FileSystem> {
    const open: FileSystem['open'] = async (path, flags, mode) => {
      const handle = await real.open(path, flags, mode);
      return this.#isBelow(String(path)) ? this.#noting(handle, String(path)) : handle;
    };
    const mkdir = async (path: string) => {
      await real.mkdir(path);
      this.#note(path, (world) => world.enter(this.#within(path), newNode('folder')));
    };
    const link: FileSystem['link'] = async (from, to) => {
      await real.link(from, to);
      this.#note(String(to), (world) => {
        const node = world.at(this.#within(String(from)));
        if (node !== undefined) world.enter(this.#within(String(to)), node);
      });
    };
    const rename: FileSystem['rename'] = async (from, to) => {
      await real.rename(from, to);
      this.#note(String(to), (world) => {
        const node = world.at(this.#within(String(from)));
        world.leave(this.#within(String(from)));
        if (node !== undefined) world.enter(this.#within(String(to)), node);
      });
    };
    const unlink: FileSystem['unlink'] = async (path) => {
      await real.unlink(path);
      this.#note(String(path), (world) => world.leave(this.#within(String(path))));
    };
    const rm: FileSystem['rm'] = async (path, options) => {
      await real.rm(path, options);
      this.#note(String(path), (world) => world.leave(this.#within(String(path))));
    };
    return { open, mkdir: mkdir as FileSystem['mkdir'], link, rename, unlink, rm };
  }

  /**
   * What is left after the power went at a moment.
   * @param survives asked for each entry that was made, or removed, and not flushed; and for unflushed content
   */
  leftAt(moment: number, survives: () => boolean): ReadonlyMap<string, Uint8Array> {
    const world = new World();
    for (const step of this.#steps.slice(0, moment)) step(world);
    const left = new Map<string, Uint8Array>();
    collect(world.root, '', survives, left);
    return left;
  }

  #noting(handle: FileHandle, path: string): FileHandle {
    this.#handles += 1;
    const number = this.#handles;
    this.#note(path, (world) => world.opened(number, this.#within(path)));
    const sync = (flush: () => Promise<void>) => async () => {
      this.#steps.push((world) => world.beginSync(number));
      await flush();
      this.#steps.push((world) => world.endSync(number));
    };
    return new Proxy(handle, {
      get: (target, name) => {
        if (name === 'sync') return sync(() => target.sync());
        if (name === 'datasync') return sync(() => target.datasync());
        if (name === 'writeFile') {
          return async (bytes: Uint8Array) => {
            // Half of it may be there when the power goes.
            const half = bytes.slice(0, bytes.length / 2);
            this.#steps.push((world) => world.write(number, half));
            await target.writeFile(bytes);
            const rest = bytes.slice(half.length);
            this.#steps.push((world) => world.write(number, rest));
          };
        }
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        if (name === 'write' || name === 'writev' || name === 'appendFile' || name === 'truncate') {
          throw new Error(`FileHandle.${name} is not noted yet`);
        }
        return value.bind(target);
      },
    });
  }

  #note(path: string, step: Step): void {
    if (this.#isBelow(path)) this.#steps.push(step);
  }

  #isBelow(path: string): boolean {
    return this.#root !== '' && (path === this.#root || path.startsWith(`${this.#root}/`));
  }

  #within(path: string): string {
    return path.slice(this.#root.length);
  }
}

/** Files by path, as the power cut leaves them. */
function collect(node: Node, path: string, survives: () => boolean, left: Map<string, Uint8Array>): void {
  const { flushed } = node;
  if (node.kind === 'file') {
    left.set(path, node.content === flushed.content || !survives() ? flushed.content : node.content);
    return;
  }
  const names = new Set([...flushed.entries.keys(), ...node.entries.keys()]);
  for (const name of [...names].sort()) {
    const [before, after] = [flushed.entries.get(name), node.entries.get(name)];
    const entry = before === after || !survives() ? before : after;
    if (entry !== undefined) collect(entry, path === '' ? name : `${path}/${name}`, survives, left);
  }
}
