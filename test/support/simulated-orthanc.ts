/**
 * A server that lists like Orthanc, old or new, and holds instances only as answers; what is added, deleted, overwritten and
 * cleared is noted, so that a listing can be held against what was there.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type InstanceId, type Md5, md5Of, type OrthancId, orthancIdOf } from '../../core/identifiers.ts';
import { sampleId } from './memory-store.ts';

interface Held {
  readonly md5: Md5;
  readonly seq: number;
  hasEntry: boolean;
}

const studyCount = 3;

export class SimulatedOrthanc {
  readonly held = new Map<InstanceId, Held>();
  /** Paths that were asked for. */
  readonly asked: string[] = [];
  /** Is called before each answer. */
  beforeAnswer: () => void = () => undefined;
  lastSeq = 0;
  /** What is answered with 400 when it is asked for by itself. */
  readonly failing = new Set<InstanceId>();
  readonly #reserved: number[] = [];
  readonly #isNew: boolean;
  readonly #server: Server;

  /** @param isNew whether listings come in order and tell hashes (1.12.5) */
  constructor(isNew: boolean) {
    this.#isNew = isNew;
    this.#server = createServer((request, response) => {
      const path = request.url ?? '/';
      this.asked.push(path);
      this.beforeAnswer();
      if ([...this.failing].some((id) => path.includes(id))) {
        response.writeHead(400).end();
        return;
      }
      const value = this.#answer(new URL(path, 'http://localhost'));
      response.writeHead(value === undefined ? 404 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(value ?? {}));
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the server has no port');
    return `http://127.0.0.1:${address.port}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Stores the n-th instance, or overwrites it: each `version` of it has other bytes. */
  add(n: number, version = 0): void {
    this.lastSeq += 1;
    this.held.set(sampleId(n), { md5: md5Of(Buffer.from(`${n} ${version}`)), seq: this.lastSeq, hasEntry: true });
  }

  /** Begins to store an instance in a transaction that gets the next number of the feed … */
  reserve(): void {
    this.lastSeq += 1;
    this.#reserved.push(this.lastSeq);
  }

  /** … and ends it: the n-th instance is there, and an entry before those that were there already. */
  commit(n: number, version: number): void {
    const seq = this.#reserved.shift();
    if (seq === undefined || this.held.has(sampleId(n))) return;
    this.held.set(sampleId(n), { md5: md5Of(Buffer.from(`${n} ${version}`)), seq, hasEntry: true });
  }

  delete(n: number): void {
    this.held.delete(sampleId(n));
  }

  clearFeed(): void {
    for (const one of this.held.values()) one.hasEntry = false;
  }

  /** How often hashes were asked for: of single instances, and in pages. */
  hashQuestions(): number {
    return this.asked.filter((path) => path.endsWith('/info') || path.includes('Attachments')).length;
  }

  #answer({ pathname, searchParams }: URL): unknown {
    const [, level, id] = pathname.split('/');
    switch (true) {
      case pathname === '/system':
        return {
          Version: this.#isNew ? '1.13.0' : '1.10.1',
          ApiVersion: this.#isNew ? 31 : 16,
          ...(this.#isNew && { Capabilities: { HasExtendedFind: true }, DatabaseServerIdentifier: 'simulated' }),
        };
      case pathname === '/statistics':
        return { CountInstances: this.held.size, CountSeries: studyCount };
      case pathname === '/changes':
        return this.#changes(searchParams);
      case pathname === '/instances': {
        const [since, limit] = ['since', 'limit'].map((name) => Number(searchParams.get(name)));
        return [...this.held.keys()]
          .sort()
          .slice(since, (since ?? 0) + (limit ?? 0))
          .map((one) => this.#listed(one));
      }
      case level === 'instances' && pathname.endsWith('/info'):
        return this.#attachmentOf(id);
      case pathname === '/studies':
        return Array.from({ length: studyCount }, (_, study) => studyId(study));
      case pathname === '/series':
        return this.#pageOfSeries(searchParams);
      case level === 'studies':
        return { Series: [id] };
      default:
        return { Instances: this.#idsOf(id) };
    }
  }

  #changes(query: URLSearchParams): unknown {
    const entries = [...this.held]
      .filter(([, { hasEntry }]) => hasEntry)
      .map(([ID, { seq: Seq }]) => ({
        Seq,
        ID,
        ChangeType: 'NewInstance',
        ResourceType: 'Instance',
        Date: '20261121T000000',
      }))
      .sort((a, b) => a.Seq - b.Seq);
    if (query.has('last')) return { Changes: entries.slice(-1), Done: true, Last: this.lastSeq };
    const since = Number(query.get('since'));
    const behind = entries.filter(({ Seq }) => Seq > since);
    // Small pages, so that much can happen between them.
    const page = behind.slice(0, Math.min(4, Number(query.get('limit'))));
    return { Changes: page, Done: page.length === behind.length, Last: page.at(-1)?.Seq ?? this.lastSeq };
  }

  /** One series for each study, of the same id; few of them, as a server may cap its pages. */
  #pageOfSeries(query: URLSearchParams): unknown {
    const since = Number(query.get('since'));
    return Array.from({ length: studyCount }, (_, study) => studyId(study))
      .sort()
      .slice(since, since + Math.min(2, Number(query.get('limit'))))
      .map((ID) => ({ ID, Instances: this.#idsOf(ID) }));
  }

  #listed(id: InstanceId): unknown {
    return { ID: id, Attachments: [this.#attachmentOf(id)] };
  }

  #attachmentOf(id: string | undefined): unknown {
    const found = [...this.held].find(([held]) => held === id)?.[1];
    return found && { ContentType: 1, UncompressedSize: 100, UncompressedMD5: found.md5 };
  }

  #idsOf(study: string | undefined): readonly InstanceId[] {
    return [...this.held.keys()].filter((id) => studyId(Number.parseInt(id.slice(0, 8), 16) % studyCount) === study);
  }
}

function studyId(study: number): OrthancId {
  return orthancIdOf('study', String(study));
}
