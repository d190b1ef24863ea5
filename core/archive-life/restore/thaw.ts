/** Asks S3 for copies of what a restore meets in a cold storage class. */
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';

/** Objects by what asking for a copy of them came to. */
export interface ThawCounts {
  readonly asked: number;
  /** Somebody had asked before. */
  readonly underWay: number;
  /** Those that could not be asked for. */
  readonly failed: number;
  /** Why nothing was asked for any more, if that is so: asking for another one would come to the same. */
  readonly stoppedBy: MirrorError | undefined;
}

/**
 * It keeps nothing: S3 tells what is being made, which is not asked for again, and what went away before it was read is met
 * as cold again. So a restore that is stopped anywhere, and another one meanwhile, do no harm.
 */
export class Thaw {
  readonly #onError: (key: string, error: MirrorError) => void;
  #counts: ThawCounts = { asked: 0, underWay: 0, failed: 0, stoppedBy: undefined };

  /** @param onError told about each that could not be asked for, until nothing is asked for any more */
  constructor(onError: (key: string, error: MirrorError) => void) {
    this.#onError = onError;
  }

  get counts(): ThawCounts {
    return this.#counts;
  }

  /** Resolves when it is asked for, or could not be; whoever reads waits for this, so that no more is met than is asked for. */
  async ask(objects: ObjectStorage, key: string): Promise<void> {
    if (this.#counts.stoppedBy !== undefined) {
      this.#count('failed');
      return;
    }
    try {
      if (objects.thaw === undefined) {
        throw new MirrorError('configuration', `${objects.name} has no cold storage classes; nothing is to be thawed`);
      }
      const answer = await objects.thaw(key);
      if (answer !== 'readable') this.#count(answer === 'asked' ? 'asked' : 'underWay');
    } catch (error) {
      if (!isMirrorError(error)) throw error;
      this.#count('failed');
      if (this.#counts.stoppedBy !== undefined) return;
      this.#onError(key, error);
      if (error.disposition === 'halt') this.#counts = { ...this.#counts, stoppedBy: error };
    }
  }

  #count(what: 'asked' | 'underWay' | 'failed'): void {
    this.#counts = { ...this.#counts, [what]: this.#counts[what] + 1 };
  }
}
