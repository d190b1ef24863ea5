/** The right to be the only one who does something, for a limited time, kept as a document of state. */
import { z } from 'zod';
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { CallOptions } from '../store.ts';
import type { ObjectStorage } from './object-storage.ts';
import { StateDocument } from './state.ts';

const leaseSchema = z.object({
  /** Who holds it, unique for each process and invocation. */
  owner: z.string().min(1),
  /** Grows with each new holder, for ever: work of an earlier holder can be told by its smaller number. */
  fencing: z.int().positive(),
  /** Milliseconds since 1970. 0 when it was released. */
  expiresAtMs: z.int().nonnegative(),
});
type LeaseState = z.infer<typeof leaseSchema>;

/** Milliseconds since 1970. */
export type Clock = () => number;

/**
 * One lease, held by at most one process at a time as long as the clocks of all agree to within less than the margin
 * between a holder's last act and the end of its time. A holder must stop before its time ends, or renew.
 */
export class Lease {
  readonly #name: string;
  readonly #document: StateDocument<LeaseState>;
  readonly #now: Clock;

  /** `name` is that of the document of state. */
  constructor(objects: ObjectStorage, name: string, now: Clock = Date.now) {
    this.#name = name;
    this.#document = new StateDocument(objects, name, leaseSchema);
    this.#now = now;
  }

  /**
   * Takes the lease if it is free, released or expired. `owner` must be unique for each taker.
   * @returns the held lease, or `undefined` if somebody else holds it.
   */
  async acquire(ttlMs: number, owner: string, options?: CallOptions): Promise<HeldLease | undefined> {
    const present = await this.#document.read(options);
    if (present !== undefined && present.value.expiresAtMs > this.#now()) {
      return undefined;
    }
    const state = { owner, fencing: (present?.value.fencing ?? 0) + 1, expiresAtMs: this.#now() + ttlMs };
    try {
      const version = await this.#document.write(state, present?.version ?? null, options);
      return new HeldLease(this.#name, this.#document, this.#now, state, version);
    } catch (error) {
      if (isMirrorError(error, 'changed-meanwhile')) {
        return undefined;
      }
      throw error;
    }
  }
}

/** A lease that was acquired. Its calls must not overlap. */
export class HeldLease {
  readonly #name: string;
  readonly #document: StateDocument<LeaseState>;
  readonly #now: Clock;
  #state: LeaseState;
  #version: string;

  constructor(name: string, document: StateDocument<LeaseState>, now: Clock, state: LeaseState, version: string) {
    this.#name = name;
    this.#document = document;
    this.#now = now;
    this.#state = state;
    this.#version = version;
  }

  /** Greater than that of every earlier holder. */
  get fencing(): number {
    return this.#state.fencing;
  }

  /** When it ends unless it is renewed, in milliseconds since 1970. */
  get expiresAtMs(): number {
    return this.#state.expiresAtMs;
  }

  /** Holds on for `ttlMs` from now. Throws `lease-lost` if somebody else took it over: stop at once. */
  async renew(ttlMs: number, options?: CallOptions): Promise<void> {
    await this.#write({ ...this.#state, expiresAtMs: this.#now() + ttlMs }, options);
  }

  /** Lets others take it at once. Does nothing if somebody else took it over already. */
  async release(options?: CallOptions): Promise<void> {
    try {
      await this.#write({ ...this.#state, expiresAtMs: 0 }, options);
    } catch (error) {
      if (!isMirrorError(error, 'lease-lost')) {
        throw error;
      }
    }
  }

  async #write(state: LeaseState, options: CallOptions | undefined): Promise<void> {
    try {
      this.#version = await this.#document.write(state, this.#version, options);
      this.#state = state;
    } catch (error) {
      if (isMirrorError(error, 'changed-meanwhile')) {
        throw new MirrorError('lease-lost', `the lease ${this.#name} was taken over by another process`, {
          cause: error,
        });
      }
      throw error;
    }
  }
}
