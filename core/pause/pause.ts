/**
 * The flags in a mirror's state that say: leave this store alone for a while. They hold for every process that works
 * for the mirror, and each store has its own: while a target is away, the others and the archive are served.
 */
import { isMirrorError } from '../errors.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { StateDocument } from '../stores/archive/state.ts';
import { type Hold, nothingHeld, type PauseState, pauseStateSchema } from './pause-state.ts';

/** Writes that fail because another process wrote are decided anew at most so often. */
const mostTries = 8;

/** The flags of one mirror. */
export class Pause {
  readonly #document: StateDocument<PauseState>;
  readonly now: () => Date;

  /** @param objects where the state of the mirror lies */
  constructor(objects: ObjectStorage, now: () => Date = () => new Date()) {
    this.#document = new StateDocument(objects, 'pause', pauseStateSchema);
    this.now = now;
  }

  async read(): Promise<PauseState> {
    return (await this.#document.read())?.value ?? nothingHeld;
  }

  /** @returns the first hold there is, on whatever store, and when that is asked again; `undefined` if there is none */
  async inForce(): Promise<(Hold & { readonly store: string; readonly until: string }) | undefined> {
    const [first] = Object.entries((await this.read()).holds);
    return first === undefined ? undefined : { store: first[0], until: first[1].probeAt, ...first[1] };
  }

  /**
   * Changes the flags; `decide` is asked again when another process changed them meanwhile.
   * @returns the flags as they are then. Throws `changed-meanwhile` if others never let it through.
   */
  async change(decide: (state: PauseState) => PauseState): Promise<PauseState> {
    for (let tries = 1; ; tries += 1) {
      const found = await this.#document.read();
      const before = found?.value ?? nothingHeld;
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
