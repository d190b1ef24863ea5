/**
 * What a power cut leaves of a folder. Calls of the file system are noted as they pass; of what they did survives for sure
 * only what was flushed: of a file, the content that it had when a sync began that has returned; of a folder, its entries
 * likewise. Everything else survives or not, by chance.
 */
import { basename, dirname } from 'node:path';
import { type FolderCalls, systemCalls } from '../../core/stores/archive/folder-calls.ts';

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
  #opened = 0;
  /** Descriptors of the system are used again; ours are not. */
  readonly #numbers = new Map<number, number>();

  /** How many moments there are at which the power may go. */
  get moments(): number {
    return this.#steps.length;
  }

  /** Begins with a folder that is empty and flushed. */
  begin(root: string): void {
    this.#root = root;
    this.#steps.length = 0;
  }

  /** The calls of a folder, each of which is noted. */
  calls(): FolderCalls {
    const real = systemCalls;
    return {
      ...real,
      createFile: async (path, mode) => this.#noteOpened(await real.createFile(path, mode), path),
      openFolder: async (path) => this.#noteOpened(await real.openFolder(path), path),
      writeAll: async (descriptor, bytes) => {
        const number = this.#numbers.get(descriptor);
        if (number === undefined) return real.writeAll(descriptor, bytes);
        // Half of it may be there when the power goes.
        const half = bytes.slice(0, bytes.length / 2);
        this.#steps.push((world) => world.write(number, half));
        await real.writeAll(descriptor, bytes);
        const rest = bytes.slice(half.length);
        this.#steps.push((world) => world.write(number, rest));
      },
      sync: async (descriptor) => {
        const number = this.#numbers.get(descriptor);
        if (number === undefined) return real.sync(descriptor);
        this.#steps.push((world) => world.beginSync(number));
        await real.sync(descriptor);
        this.#steps.push((world) => world.endSync(number));
      },
      close: (descriptor) => {
        this.#numbers.delete(descriptor);
        return real.close(descriptor);
      },
      makeFolder: async (path) => {
        await real.makeFolder(path);
        this.#note(path, (world) => world.enter(this.#within(path), newNode('folder')));
      },
      link: async (from, to) => {
        await real.link(from, to);
        this.#note(to, (world) => {
          const node = world.at(this.#within(from));
          if (node !== undefined) world.enter(this.#within(to), node);
        });
      },
      rename: async (from, to) => {
        await real.rename(from, to);
        this.#note(to, (world) => {
          const node = world.at(this.#within(from));
          world.leave(this.#within(from));
          if (node !== undefined) world.enter(this.#within(to), node);
        });
      },
      unlink: async (path) => {
        await real.unlink(path);
        this.#note(path, (world) => world.leave(this.#within(path)));
      },
    };
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

  #noteOpened(descriptor: number, path: string): number {
    if (!this.#isBelow(path)) return descriptor;
    this.#opened += 1;
    const number = this.#opened;
    this.#numbers.set(descriptor, number);
    this.#note(path, (world) => world.opened(number, this.#within(path)));
    return descriptor;
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
