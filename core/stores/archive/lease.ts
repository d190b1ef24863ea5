/** The right to be the only one who does something, for a limited time, kept as a document of state. */
import { setInterval } from 'node:timers/promises';
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import { throwIfAborted } from '../aborted.ts';
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

export interface AcquireOptions extends CallOptions {
  /** Whether the holder of that name is known to have ended, so that its time need not be waited for. */
  readonly isGone?: ((owner: string) => boolean) | undefined;
}

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
  async acquire(ttlMs: number, owner: string, options: AcquireOptions = {}): Promise<HeldLease | undefined> {
    const present = await this.#document.read(options);
    if (present !== undefined && present.value.expiresAtMs > this.#now()) {
      const isGone = options.isGone?.(present.value.owner) ?? false;
      if (!isGone) return undefined;
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

  /** Whether its time is over: somebody else may have taken it, and nothing may be done in its name any more. */
  get isOver(): boolean {
    return this.#state.expiresAtMs <= this.#now();
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

/** How a lease is held while some work goes on. */
export interface LeaseTerms extends AcquireOptions {
  /** How long others wait for a holder that ended without a word. It is renewed three times as often. */
  readonly ttlMs: number;
  /** Unique for each process and call. */
  readonly owner: string;
}

/** What work under a lease is given. */
export interface LeaseUse {
  /** Aborts with `lease-lost` as soon as the lease is known to be lost, and when the caller's own signal does. */
  readonly signal: AbortSignal;
  /** Proves by a write that the lease is still held: right before what cannot be undone. Throws `lease-lost`. */
  readonly confirm: () => Promise<void>;
}

/**
 * Does `work` under a lease, which is renewed meanwhile.
 * @returns what `work` returns; `undefined` if somebody else holds the lease.
 * Throws what `work` throws, and `lease-lost` if the lease was lost, even if `work` came to its end.
 */
export async function underLease<T>(
  lease: Lease,
  terms: LeaseTerms,
  work: (use: LeaseUse) => Promise<T>,
): Promise<T | undefined> {
  const { ttlMs, owner, ...options } = terms;
  const held = await lease.acquire(ttlMs, owner, options);
  if (held === undefined) return undefined;
  const [lost, ended] = [new AbortController(), new AbortController()];
  let turn: Promise<void> = Promise.resolve();
  // One after the other: each write names the version of the one before.
  const renew = (): Promise<void> => {
    turn = turn.catch(() => undefined).then(() => held.renew(ttlMs));
    return turn;
  };
  const renewing = renewMeanwhile(held, renew, ttlMs / 3, lost, ended.signal);
  const signal = options.signal === undefined ? lost.signal : AbortSignal.any([options.signal, lost.signal]);
  try {
    const result = await work({ signal, confirm: renew });
    throwIfAborted(lost.signal);
    return result;
  } finally {
    ended.abort();
    await renewing;
    // Not released, it ends by itself: no reason to lose a result or hide an error.
    await held.release().catch(() => undefined);
  }
}

/** Renews until `ended`; what fails is tried again for as long as the lease lasts. */
async function renewMeanwhile(
  held: HeldLease,
  renew: () => Promise<void>,
  everyMs: number,
  lost: AbortController,
  ended: AbortSignal,
): Promise<void> {
  try {
    for await (const _ of setInterval(everyMs, undefined, { signal: ended, ref: false })) {
      await renew().catch((error: unknown) => {
        if (isMirrorError(error, 'lease-lost')) lost.abort(error);
        else if (held.isOver) {
          lost.abort(new MirrorError('lease-lost', 'the lease could not be renewed in time', { cause: error }));
        }
      });
      if (lost.signal.aborted) return;
    }
  } catch (error) {
    if (!ended.aborted) throw error;
  }
}
