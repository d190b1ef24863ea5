/** Asks S3 for copies of what a restore met in a cold storage class. */
import type { CopyResult } from '../../core/copy/outcome.ts';
import { isMirrorError, type MirrorError } from '../../core/errors.ts';
import type { InstanceId, Md5 } from '../../core/identifiers.ts';
import type { Archive } from '../../core/stores/archive/archive.ts';

/** Requests to S3 at once. */
const atOnce = 16;

export interface ThawCounts {
  /** Copies that were asked for, or were already, and will be there within hours. */
  readonly thawing: number;
  /** Those that could not be asked for. */
  readonly notThawed: number;
}

/**
 * It keeps nothing: who asks again asks for the same, what is there already stays longer, and what went away again before
 * it was read is met as cold again. So a restore that is stopped anywhere, and another one meanwhile, do no harm.
 */
export class Thaw {
  readonly #archive: Archive;
  readonly #onError: (id: InstanceId, error: MirrorError) => void;
  readonly #waiting: { readonly id: InstanceId; readonly md5: Md5 }[] = [];
  readonly #running = new Set<Promise<void>>();
  #thawing = 0;
  #notThawed = 0;

  /** @param onError told about each that could not be asked for */
  constructor(archive: Archive, onError: (id: InstanceId, error: MirrorError) => void) {
    this.#archive = archive;
    this.#onError = onError;
  }

  /** Takes note of what became of an instance. */
  note({ id, md5, outcomes }: CopyResult): void {
    if (md5 === undefined || !outcomes.some(({ error }) => error?.code === 'cold')) return;
    this.#waiting.push({ id, md5 });
    this.#go();
  }

  /** Resolves when everything was asked for. */
  async done(): Promise<ThawCounts> {
    while (this.#running.size > 0) await Promise.all(this.#running);
    return { thawing: this.#thawing, notThawed: this.#notThawed };
  }

  #go(): void {
    for (let next = this.#take(); next !== undefined; next = this.#take()) {
      const asking = this.#ask(next.id, next.md5).finally(() => {
        this.#running.delete(asking);
        this.#go();
      });
      this.#running.add(asking);
    }
  }

  #take() {
    return this.#running.size < atOnce ? this.#waiting.shift() : undefined;
  }

  async #ask(id: InstanceId, md5: Md5): Promise<void> {
    try {
      await this.#archive.thaw(id, md5);
      this.#thawing += 1;
    } catch (error) {
      if (!isMirrorError(error)) throw error;
      this.#notThawed += 1;
      this.#onError(id, error);
    }
  }
}
