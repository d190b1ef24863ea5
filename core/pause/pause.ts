/**
 * The flag in a mirror's state that says: leave the servers alone for a while, somebody has to act. Whoever met an
 * error that halts the mirror sets it; when its time is over the next message tries again, and sets it again if
 * nothing has changed. So the mirror resumes by itself soon after the cause is gone.
 */
import { z } from 'zod';
import { isMirrorError, MirrorError } from '../errors.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { StateDocument } from '../stores/archive/state.ts';

const pauseSchema = z.strictObject({
  version: z.literal(1),
  /** Code of the error that halted the mirror. */
  code: z.string(),
  /** What happened and what to do; holds neither patient data nor a secret. */
  reason: z.string(),
  begunAt: z.iso.datetime(),
  until: z.iso.datetime(),
});
export type PauseState = z.output<typeof pauseSchema>;

/** The flag of one mirror. */
export class Pause {
  readonly #document: StateDocument<PauseState>;
  readonly #now: () => Date;

  /** @param objects where the state of the mirror lies */
  constructor(objects: ObjectStorage, now: () => Date = () => new Date()) {
    this.#document = new StateDocument(objects, 'pause', pauseSchema);
    this.#now = now;
  }

  /** @returns the pause that holds now, or `undefined` */
  async inForce(): Promise<PauseState | undefined> {
    const found = await this.#document.read();
    return found !== undefined && Date.parse(found.value.until) > this.#now().getTime() ? found.value : undefined;
  }

  /** Sets the flag for `lengthMs` from now, unless somebody else sets it at the same time. */
  async begin({ code, message }: MirrorError, lengthMs: number): Promise<void> {
    const now = this.#now();
    const until = new Date(now.getTime() + lengthMs).toISOString();
    const state: PauseState = { version: 1, code, reason: message, begunAt: now.toISOString(), until };
    try {
      const found = await this.#document.read();
      await this.#document.write(state, found?.version ?? null);
    } catch (error) {
      if (!isMirrorError(error, 'changed-meanwhile')) {
        throw error;
      }
    }
  }

  /** Throws an error that halts, and that tells how long to wait, while a pause holds. */
  async throwIfInForce(mirror: string): Promise<void> {
    const pause = await this.inForce();
    if (pause !== undefined) {
      throw new MirrorError('paused', `The mirror ${mirror} pauses until ${pause.until}: ${pause.reason}`, {
        retryAfterMs: Date.parse(pause.until) - this.#now().getTime(),
      });
    }
  }
}
