/**
 * A server of a hospital: answers as Orthanc 1.13.0 does, after the time that one takes. It works on one request at a time,
 * as its index does.
 */
import type { z } from 'zod';
import { MirrorError } from '../../../core/errors.ts';
import type { InstanceId } from '../../../core/identifiers.ts';
import { throwIfAborted } from '../../../core/stores/aborted.ts';
import { type JsonOptions, OrthancClient } from '../../../core/stores/orthanc/http-client.ts';
import type { SimulatedClock } from '../simulated-clock.ts';
import type { HospitalInstances } from './hospital-instances.ts';

/** What a real server takes, in ms; measured with a million rows (1.13.0, SQLite). */
const cost = {
  request: 1,
  statisticsEachOfAll: 0.031e-3,
  changesEachRow: 5.4e-3,
  pageEachOfAll: 0.65e-3,
  pageEachRow: 25e-3,
  seriesEachRow: 3e-3,
  studyList: 0.01,
  /** On PostgreSQL; SQLite looks at all instances for it. */
  lookup: 1,
};
/** What reading a row of an answer takes us, in ms of a function of 1 GiB. */
const readEachRow = 10e-3;

/** A page has no fewer entries, whatever the scale: who reads it would take the server for one that does not get on. */
const fewestEntries = 10;

export interface HospitalServerOptions {
  readonly name: string;
  readonly time: SimulatedClock;
  readonly instances: HospitalInstances;
  /** Each instance stands for so many: everything that is done for each takes so many times as long. */
  readonly scale: number;
}

interface Answer {
  readonly kind: string;
  /** Time of the server. */
  readonly costMs: number;
  /** What we have to read. */
  readonly rows: number;
  readonly value: () => unknown;
}

export class HospitalServer {
  readonly client: OrthancClient;
  /** Numbers of the instances in the order in which they came: the feed. */
  readonly #order: Int32Array;
  readonly #held: Uint8Array;
  #last = 0;
  count = 0;
  /** Numbers of entries up to this one were cleared. */
  #clearedThrough = 0;
  isAway = false;
  /** Is called before each answer. */
  beforeAnswer: () => void = () => undefined;
  /** Requests by kind, and time of the server. */
  readonly requests = new Map<string, number>();
  busyMs = 0;
  #freeAtMs = 0;
  readonly #options: HospitalServerOptions;

  constructor(options: HospitalServerOptions) {
    this.#options = options;
    const { capacity } = options.instances;
    this.#order = new Int32Array(capacity);
    this.#held = new Uint8Array(capacity);
    this.client = new HospitalClient(this, options.name);
  }

  holds(n: number): boolean {
    return this.#held[n] === 1;
  }

  /** An instance arrives. */
  add(n: number): void {
    if (this.holds(n)) return;
    this.#held[n] = 1;
    this.#order[this.#last] = n;
    this.#last += 1;
    this.count += 1;
  }

  clearFeed(): void {
    this.#clearedThrough = this.#last;
  }

  /** Answers a request for a path after its time. */
  async answer(path: string, signal: AbortSignal | undefined): Promise<unknown> {
    const { time, name } = this.#options;
    throwIfAborted(signal);
    if (this.isAway) {
      await time.wait(1000, signal);
      throw new MirrorError('unreachable', `${name} is away`, { store: name });
    }
    this.beforeAnswer();
    const { kind, costMs, rows, value } = this.#work(new URL(path, 'http://hospital'));
    this.requests.set(kind, (this.requests.get(kind) ?? 0) + 1);
    this.busyMs += costMs;
    this.#freeAtMs = Math.max(this.#freeAtMs, time.nowMs()) + costMs;
    await time.wait(this.#freeAtMs - time.nowMs() + rows * readEachRow, signal);
    throwIfAborted(signal);
    return value();
  }

  #work(url: URL): Answer {
    const { scale } = this.#options;
    const [, level, id = ''] = url.pathname.split('/');
    const whole = this.count * scale;
    if (level === 'system') return { kind: 'system', costMs: cost.request, rows: 0, value: () => system };
    if (level === 'statistics') {
      const costMs = cost.request + cost.statisticsEachOfAll * whole;
      return {
        kind: 'statistics',
        costMs,
        rows: 0,
        value: () => ({ CountInstances: this.count, CountSeries: this.#options.instances.studies.length }),
      };
    }
    if (level === 'changes') return this.#changes(url.searchParams);
    if (level === 'studies' && id === '') {
      const ids = this.#options.instances.studies;
      return { kind: 'studies', costMs: cost.studyList * ids.length, rows: ids.length, value: () => ids };
    }
    if (level === 'series') return this.#pageOfSeries(url.searchParams);
    if (url.pathname.endsWith('/info')) {
      const n = this.#options.instances.numberOf(id as InstanceId);
      return {
        kind: 'lookup',
        costMs: cost.lookup * scale,
        rows: scale,
        value: () => (this.holds(n) ? this.#attachment(n) : undefined),
      };
    }
    if (level === 'instances') return this.#page(url.searchParams, whole);
    throw new Error(`${url.pathname} is not simulated`);
  }

  #changes(query: URLSearchParams): Answer {
    const { instances, scale } = this.#options;
    if (query.has('last')) {
      return {
        kind: 'changes',
        costMs: cost.request,
        rows: 0,
        value: () => ({ Changes: [], Done: true, Last: this.#last }),
      };
    }
    const since = Math.max(Number(query.get('since')), this.#clearedThrough);
    // A page of as many real entries.
    const limit = Number(query.get('limit'));
    const end = Math.min(this.#last, since + Math.min(limit, Math.max(fewestEntries, Math.floor(limit / scale))));
    const rows = Math.max(0, end - since) * scale;
    const value = () => ({
      Changes: Array.from({ length: Math.max(0, end - since) }, (_, index) => ({
        Seq: since + index + 1,
        ChangeType: 'NewInstance',
        ResourceType: 'Instance',
        ID: instances.idOf(this.#order[since + index] ?? 0),
        Date: '20261121T000000',
      })),
      Done: end >= this.#last,
      Last: end > since ? end : this.#last,
    });
    return { kind: 'changes', costMs: cost.request + cost.changesEachRow * rows, rows, value };
  }

  #page(query: URLSearchParams, whole: number): Answer {
    const { instances, scale } = this.#options;
    const [since, limit] = [Number(query.get('since')), Number(query.get('limit'))];
    const value = () => {
      const found: number[] = [];
      let rank = 0;
      for (let place = 0; place < instances.capacity && found.length < limit; place += 1) {
        const n = instances.at(place);
        if (!this.holds(n)) continue;
        if (rank >= since) found.push(n);
        rank += 1;
      }
      return found.map((n) => this.#listed(n));
    };
    const rows = limit * scale;
    return { kind: 'page', costMs: cost.pageEachOfAll * whole + cost.pageEachRow * rows, rows, value };
  }

  /** Each study is one series, of the same id. */
  #pageOfSeries(query: URLSearchParams): Answer {
    const { instances, scale } = this.#options;
    const [since, limit] = [Number(query.get('since')), Number(query.get('limit'))];
    const page = instances.studies
      .toSorted()
      .slice(since, since + limit)
      .map((ID) => ({ ID, held: this.#heldIn(...instances.rangeOf(ID)) }));
    const rows = page.reduce((sum, { held }) => sum + held.length, 0) * scale;
    const costMs = cost.request + cost.pageEachOfAll * instances.studies.length + cost.seriesEachRow * rows;
    const value = () => page.map(({ ID, held }) => ({ ID, Instances: held.map((n) => instances.idOf(n)) }));
    return { kind: 'series', costMs, rows, value };
  }

  #heldIn(from: number, to: number): number[] {
    const found: number[] = [];
    for (let n = from; n < to; n += 1) if (this.holds(n)) found.push(n);
    return found;
  }

  #listed(n: number): unknown {
    return { ID: this.#options.instances.idOf(n), Attachments: [this.#attachment(n)] };
  }

  #attachment(n: number): unknown {
    return { ContentType: 1, UncompressedSize: 524_288, UncompressedMD5: this.#options.instances.md5Of(n) };
  }
}

const system = {
  Version: '1.13.0',
  ApiVersion: 31,
  Name: 'HOSPITAL',
  DatabaseServerIdentifier: 'hospital',
  DatabaseBackendPlugin: '/usr/share/orthanc/plugins/libOrthancPostgreSQLIndex.so',
  StoreMD5ForAttachments: true,
  Capabilities: { HasExtendedChanges: true, HasExtendedFind: true },
};

/** Speaks with the server without a network; answers pass the same checks of their form. */
class HospitalClient extends OrthancClient {
  readonly #server: HospitalServer;

  constructor(server: HospitalServer, name: string) {
    super({ url: 'http://127.0.0.1:9', name, limits: { mostInstances: 1_000_000_000 } });
    this.#server = server;
  }

  override async getJson<T>(path: string, schema: z.ZodType<T>, { signal }: JsonOptions = {}): Promise<T> {
    return schema.parse(await this.#server.answer(path, signal));
  }

  override async findJson<T>(path: string, schema: z.ZodType<T>, options: JsonOptions = {}): Promise<T | undefined> {
    const answer = await this.#server.answer(path, options.signal);
    return answer === undefined ? undefined : schema.parse(answer);
  }
}
