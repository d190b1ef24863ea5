/**
 * The flags in a mirror's state that say: pause this store for a while. They hold for every process that works
 * for the mirror, and each store has its own: while a target is away, the others and the archive are served.
 */
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { StateDocument } from '../../stores/archive/state.ts';
import { nothingPaused, type PauseState, pauseStateSchema, type StorePause } from './pause-state.ts';

/** Writes that fail because another process wrote are decided anew at most so often. */
const mostTries = 8;

type PauseDocument = Pick<StateDocument<PauseState>, 'read' | 'write'>;

/** The flags of a mirror, which lie beside its archive. */
export function pauseBeside(objects: ObjectStorage, now: () => Date = () => new Date()): Pause {
  return new Pause(new StateDocument(objects, 'pause', pauseStateSchema), now);
}

/** The flags of one process, for what it finds out by itself. */
export function pauseInMemory(now: () => Date): Pause {
  let held = { value: nothingPaused, version: '0' };
  const write = async (value: PauseState, version: string | null): Promise<string> => {
    if (version !== held.version) throw new MirrorError('changed-meanwhile', 'the pauses changed meanwhile');
    held = { value, version: `${Number(version) + 1}` };
    return held.version;
  };
  return new Pause({ read: async () => held, write }, now);
}

/** The flags of one mirror. */
export class Pause {
  readonly #document: PauseDocument;
  readonly now: () => Date;

  constructor(document: PauseDocument, now: () => Date) {
    this.#document = document;
    this.now = now;
  }

  async read(): Promise<PauseState> {
    return (await this.#document.read())?.value ?? nothingPaused;
  }

  /** @returns the first pause there is, on whatever store, and when that is asked again; `undefined` if there is none */
  async inForce(): Promise<(StorePause & { readonly store: string; readonly until: string }) | undefined> {
    const [first] = Object.entries((await this.read()).pauses);
    return first === undefined ? undefined : { store: first[0], until: first[1].probeAt, ...first[1] };
  }

  /**
   * Changes the flags; `decide` is asked again when another process changed them meanwhile.
   * @returns the flags as they are then. Throws `changed-meanwhile` if others never let it through.
   */
  async change(decide: (state: PauseState) => PauseState): Promise<PauseState> {
    for (let tries = 1; ; tries += 1) {
      const found = await this.#document.read();
      const before = found?.value ?? nothingPaused;
      const after = decide(before);
      if (after === before) return before;
      try {
        await this.#document.write(after, found?.version ?? null);
        return after;
      } catch (error) {
        if (!isMirrorError(error, 'changed-meanwhile') || tries === mostTries) throw error;
      }
    }
  }
}
