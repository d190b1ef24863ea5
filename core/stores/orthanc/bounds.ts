/**
 * What a server may cost whoever reads from it: bytes, items, time and requests. A server that is broken, or in foreign
 * hands, can answer without end and never be wrong by itself; each of these bounds ends that, with an error that names
 * the server and what it did.
 */
import { MirrorError } from '../../errors.ts';

export interface ServerLimits {
  /** Least bytes per second of a body that the server sends or takes, averaged over {@link rateWindowMs}. */
  readonly leastBytesPerSecond: number;
  /** How long the server is waited for, pauses of our own not counted, before its rate is judged. */
  readonly rateWindowMs: number;
  /** Most instances that it may list; the change feed may have eight times as many entries. */
  readonly mostInstances: number;
  /** Largest instance; a server holds it in memory as a whole. */
  readonly mostInstanceBytes: number;
}

/** 16 connections at the least rate are 4 KB/s together: half of what a line of 64 kbit/s carries. */
export const defaultServerLimits: ServerLimits = {
  leastBytesPerSecond: 256,
  rateWindowMs: 60_000,
  mostInstances: 50_000_000,
  mostInstanceBytes: 64 * 1024 ** 3,
};

/** Longest answers that are read into memory, in bytes: a listing, what a single resource carries, a plain text. */
export const mostBytes = { listing: 64 * 1024 * 1024, resource: 16 * 1024 * 1024, text: 64 * 1024 } as const;

/** Interim answers (`103 Early Hints`) before the one that counts; Orthanc sends none, a proxy one or two. */
export const mostInterimAnswers = 16;

/** Holds a body that is sent or taken to the least rate. */
export class Pace {
  readonly #name: string;
  readonly #limits: ServerLimits;
  #bytes = 0;
  #waitedMs = 0;

  /** `name` is that of the server. */
  constructor(name: string, limits: ServerLimits) {
    this.#name = name;
    this.#limits = limits;
  }

  /** Takes note of bytes for which the server was waited for so long. Throws `unreachable` if that is too slow. */
  passed(bytes: number, waitedMs: number): void {
    const { leastBytesPerSecond, rateWindowMs } = this.#limits;
    this.#bytes += bytes;
    this.#waitedMs += waitedMs;
    if (this.#waitedMs < rateWindowMs) return;
    const perSecond = (this.#bytes * 1000) / this.#waitedMs;
    if (perSecond < leastBytesPerSecond) {
      const what = `passes ${perSecond.toFixed(1)} bytes per second, less than ${leastBytesPerSecond}`;
      const hint = 'find out what slows it or its network down';
      throw new MirrorError('unreachable', `${this.#name} ${what}: ${hint}`, { store: this.#name });
    }
    this.#bytes = 0;
    this.#waitedMs = 0;
  }
}

export interface ListingBounds {
  readonly mostItems: number;
  /** New items that a request must bring on average. */
  readonly itemsPerRequest: number;
}

/** Requests that may bring nothing: to find the place where a listing goes on, and to notice its end. */
const fruitlessRequests = 64;

/**
 * Holds a listing of many requests to progress: new items pay for the next requests. So a server that repeats itself,
 * ignores where it is asked to begin, or tells one item at a time is asked a bounded number of times, whatever the loop
 * that asks does.
 */
export class Progress {
  readonly #name: string;
  readonly #what: string;
  readonly #bounds: ListingBounds;
  #credit = fruitlessRequests;
  #items = 0;

  /** `name` is that of the server; `what` is listed, for messages: `instances`. */
  constructor(name: string, what: string, bounds: ListingBounds) {
    this.#name = name;
    this.#what = what;
    this.#bounds = bounds;
  }

  /** Takes note of a request before it is made. Throws `answer-malformed` if the ones before brought too little. */
  request(): void {
    this.#credit -= 1;
    if (this.#credit >= 0) return;
    throw misbehaviour(this.#name, `lists its ${this.#what} without getting on, ${this.#items} so far`);
  }

  /** Takes note of new items. Throws `answer-malformed` if there are too many. */
  found(count: number): void {
    this.#items += count;
    this.#credit = Math.min(fruitlessRequests, this.#credit + count / this.#bounds.itemsPerRequest);
    if (this.#items <= this.#bounds.mostItems) return;
    throw misbehaviour(this.#name, `lists more than ${this.#bounds.mostItems} ${this.#what}`);
  }
}

/** @returns the error of a server that answers in the right form what cannot be: nothing of it can be believed now. */
export function misbehaviour(name: string, what: string): MirrorError {
  const hint = 'does a proxy or cache before it ignore the query, or is it another server than it was?';
  return new MirrorError('answer-malformed', `${name} ${what}; ${hint}`, { disposition: 'halt', store: name });
}
