/**
 * Copies over a path to a server, in virtual time: a queue of events, no clock and no wait. The server shares its
 * processors among what it works on, as a busy Orthanc does. Every random choice comes from the seed.
 */
import { AdaptiveConcurrency } from '../../core/copy/adaptive-concurrency.ts';

export interface SimulatedServer {
  /** How many copies it works on at full speed. */
  readonly workers: number;
  /** Work of a copy of size 1, in milliseconds of one worker. */
  readonly serviceMs: number;
  /** Each one at work beyond `workers` makes all slower by this share. */
  readonly worseBy?: number;
  /** With so many at work another one is answered 503. */
  readonly refusesFrom?: number;
  /** How many times longer everything takes at a time. */
  readonly slowness?: (nowMs: number) => number;
}

/** Somebody else at the server, who comes whenever he likes and does not wait for us. */
export interface Clinicians {
  readonly perSecond: number;
  readonly serviceMs: number;
}

export interface SimulatedClient {
  readonly ceiling: number;
  /** A fixed number of copies at once instead of the adaptive one: what an optimum is found with. */
  readonly fixed?: number;
  readonly startsAtMs?: number;
  /** Sizes in bytes with the work of each, relative to `serviceMs`, and how often it comes. */
  readonly mix?: readonly { readonly sizeBytes: number; readonly work: number; readonly share: number }[];
  /** Most copies that there is work for, at a time. */
  readonly supply?: (nowMs: number) => number;
}

export interface Scene {
  readonly seed: number;
  /** What a copy spends on its way, all round trips together, in milliseconds. */
  readonly pathMs: number;
  /** How many times longer the path takes at a time, whoever uses it: a machine that others use. */
  readonly unrest?: (nowMs: number) => number;
  readonly server: SimulatedServer;
  readonly clients: readonly SimulatedClient[];
  readonly clinicians?: Clinicians;
  readonly untilMs: number;
}

/** What happened to a client. */
export interface Told {
  /** When each copy ended, with its work. */
  readonly copies: { readonly atMs: number; readonly work: number }[];
  readonly limits: { readonly atMs: number; readonly limit: number }[];
  refusals: number;
}

export interface Simulated {
  readonly clients: readonly Told[];
  /** What clinicians waited for their answers, in milliseconds. */
  readonly answers: { readonly atMs: number; readonly latencyMs: number }[];
}

/** A generator of numbers from 0 to 1 (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function simulate(scene: Scene): Simulated {
  const events = new Events();
  const random = seeded(scene.seed);
  const server = new SharedServer(scene.server, events);
  const answers: Simulated['answers'] = [];
  const clients = scene.clients.map((client) => startClient(client, scene, { events, random, server }));
  if (scene.clinicians !== undefined) comeAndGo(scene.clinicians, answers, { events, random, server });
  events.run(scene.untilMs);
  return { clients, answers };
}

interface World {
  readonly events: Events;
  readonly random: () => number;
  readonly server: SharedServer;
}

const supplyLooksMs = 10;

function startClient(client: SimulatedClient, scene: Scene, { events, random, server }: World): Told {
  const { ceiling, fixed, startsAtMs = 0, mix = [{ sizeBytes: 524_288, work: 1, share: 1 }], supply } = client;
  const told: Told = { copies: [], limits: [], refusals: 0 };
  const concurrency = new AdaptiveConcurrency({ ceiling });
  let running = 0;
  const limitNow = (): number =>
    Math.min(fixed ?? concurrency.limit, supply?.(events.nowMs) ?? Number.POSITIVE_INFINITY);
  const begin = (): void => {
    const { sizeBytes, work } = pick(mix, random());
    const startedAtMs = events.nowMs;
    const onWayMs = scene.pathMs * (0.95 + 0.1 * random()) * (scene.unrest?.(startedAtMs) ?? 1);
    running += 1;
    const end = (accepted: boolean): void => {
      const nowMs = events.nowMs;
      const latencyMs = nowMs - startedAtMs;
      if (accepted) {
        concurrency.succeeded({ latencyMs, nowMs, sizeBytes, atOnce: running });
        told.copies.push({ atMs: nowMs, work });
      } else {
        concurrency.pushedBack({ latencyMs, nowMs });
        told.refusals += 1;
      }
      running -= 1;
      if (told.limits.at(-1)?.limit !== concurrency.limit) told.limits.push({ atMs: nowMs, limit: concurrency.limit });
      while (running < limitNow()) begin();
    };
    const serviceMs = scene.server.serviceMs * work * (0.6 + 0.8 * random());
    events.after(onWayMs / 2, () => {
      const back = (accepted: boolean): void => events.after(onWayMs / 2, () => end(accepted));
      if (!server.work(serviceMs, () => back(true))) back(false);
    });
  };
  const look = (): void => {
    while (running < limitNow()) begin();
    if (supply !== undefined) events.after(supplyLooksMs, look);
  };
  events.after(startsAtMs, look);
  return told;
}

function pick<T extends { readonly share: number }>(mix: readonly T[], drawn: number): T {
  let left = drawn * mix.reduce((sum, { share }) => sum + share, 0);
  const found = mix.find(({ share }) => {
    left -= share;
    return left < 0;
  });
  const [first] = mix;
  if (first === undefined) throw new Error('there are no sizes');
  return found ?? first;
}

function comeAndGo({ perSecond, serviceMs }: Clinicians, answers: Simulated['answers'], world: World): void {
  const { events, random, server } = world;
  const come = (): void => {
    const startedAtMs = events.nowMs;
    server.work(serviceMs * (0.6 + 0.8 * random()), () => {
      answers.push({ atMs: events.nowMs, latencyMs: events.nowMs - startedAtMs });
    });
    events.after((-Math.log(1 - random()) * 1000) / perSecond, come);
  };
  come();
}

/** Works on everything at once; each gets its share of the processors. */
class SharedServer {
  readonly #server: SimulatedServer;
  readonly #events: Events;
  #jobs: { leftMs: number; readonly done: () => void }[] = [];
  #since = 0;
  #turn = 0;

  constructor(server: SimulatedServer, events: Events) {
    this.#server = server;
    this.#events = events;
  }

  /** @returns whether the work was accepted */
  work(serviceMs: number, done: () => void): boolean {
    if (this.#jobs.length >= (this.#server.refusesFrom ?? Number.POSITIVE_INFINITY)) return false;
    this.#advance();
    this.#jobs.push({ leftMs: serviceMs, done });
    this.#schedule();
    return true;
  }

  #speed(): number {
    const { workers, worseBy = 0, slowness } = this.#server;
    const beyond = Math.max(0, this.#jobs.length - workers);
    const share = Math.min(1, workers / Math.max(1, this.#jobs.length));
    return share / (1 + worseBy * beyond) / (slowness?.(this.#events.nowMs) ?? 1);
  }

  #advance(): void {
    const workedMs = (this.#events.nowMs - this.#since) * this.#speed();
    for (const job of this.#jobs) job.leftMs -= workedMs;
    this.#since = this.#events.nowMs;
  }

  #schedule(): void {
    this.#turn += 1;
    const turn = this.#turn;
    if (this.#jobs.length === 0) return;
    const next = this.#jobs.reduce((least, { leftMs }) => Math.min(least, leftMs), Number.POSITIVE_INFINITY);
    this.#events.after(Math.max(0, next) / this.#speed(), () => {
      if (turn !== this.#turn) return;
      this.#advance();
      const done = this.#jobs.filter(({ leftMs }) => leftMs <= 1e-6);
      this.#jobs = this.#jobs.filter(({ leftMs }) => leftMs > 1e-6);
      this.#schedule();
      for (const job of done) job.done();
    });
  }
}

/** What is to happen, in the order of virtual time; a binary heap. */
class Events {
  nowMs = 0;
  readonly #heap: { readonly atMs: number; readonly order: number; readonly happen: () => void }[] = [];
  #order = 0;

  after(ms: number, happen: () => void): void {
    this.#order += 1;
    const event = { atMs: this.nowMs + ms, order: this.#order, happen };
    let place = this.#heap.length;
    this.#heap.push(event);
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || !isBefore(event, parent)) break;
      this.#heap[place] = parent;
      place = above;
    }
    this.#heap[place] = event;
  }

  run(untilMs: number): void {
    for (let event = this.#take(); event !== undefined && event.atMs <= untilMs; event = this.#take()) {
      this.nowMs = event.atMs;
      event.happen();
    }
  }

  #take(): { readonly atMs: number; readonly happen: () => void } | undefined {
    const [first] = this.#heap;
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return first;
    let place = 0;
    for (;;) {
      const left = this.#heap[2 * place + 1];
      const right = this.#heap[2 * place + 2];
      const smaller = right !== undefined && left !== undefined && isBefore(right, left) ? right : left;
      if (smaller === undefined || !isBefore(smaller, last)) break;
      const from = smaller === right ? 2 * place + 2 : 2 * place + 1;
      this.#heap[place] = smaller;
      place = from;
    }
    this.#heap[place] = last;
    return first;
  }
}

interface Ordered {
  readonly atMs: number;
  readonly order: number;
}

function isBefore(one: Ordered, other: Ordered): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
