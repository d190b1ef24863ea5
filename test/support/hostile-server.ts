/**
 * A server that answers like an Orthanc until a twist takes over an exchange: then it does what a broken or hostile
 * server can do on a connection. Counts requests and bytes, so that what it costs its client can be told.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { md5Of, type OrthancId, orthancIdOf } from '../../core/identifiers.ts';
import type { GeneratedInstance } from '../../local/dicom/generate.ts';
import { identifiersOf, placeOfNth } from '../../local/dicom/identifiers.ts';

/** One request and the connection it came on. */
export interface Exchange {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly socket: Socket;
  /** Reads the body of the request to its end. */
  readonly body: () => Promise<Buffer>;
  /** Answers with JSON. */
  readonly json: (value: unknown) => void;
  /** Answers with bytes whose length is announced. */
  readonly bytes: (body: Uint8Array | string, headers?: Readonly<Record<string, string>>) => void;
  readonly status: (status: number, headers?: Readonly<Record<string, string>>) => void;
  /** Writes to the connection as it is, behind no answer of HTTP's making. */
  readonly raw: (text: string) => void;
  /** Writes again and again, as fast as the client takes it or with pauses, until the client goes away. */
  readonly pour: (piece: string | ((n: number) => string), everyMs?: number) => Promise<void>;
}

/** Takes over an exchange; @returns whether it did. What it does not take is answered as an Orthanc would. */
export type Twist = (exchange: Exchange, world: World) => boolean | undefined | Promise<boolean | undefined>;

/** What the server holds, and what version it says to be. */
export interface World {
  readonly instances: readonly GeneratedInstance[];
  /** An old server lists ids only, and all at once. */
  readonly old: boolean;
  /** How many requests there were, this one included. */
  requests: number;
}

export interface HostileServer {
  readonly url: string;
  readonly requests: number;
  /** Bytes that were written to connections. */
  readonly sentBytes: number;
  close(): Promise<void>;
}

export interface HostileOptions {
  readonly instances?: readonly GeneratedInstance[];
  readonly old?: boolean;
  readonly twist?: Twist;
}

export async function startHostileServer({
  instances = [],
  old = false,
  twist,
}: HostileOptions = {}): Promise<HostileServer> {
  const world: World = { instances: instances.toSorted((a, b) => (a.id < b.id ? -1 : 1)), old, requests: 0 };
  const sockets = new Set<Socket>();
  let sentBytes = 0;
  const server = createServer((request, response) => {
    world.requests += 1;
    const exchange = exchangeOf(request, response);
    const answer = async () => {
      if ((await twist?.(exchange, world)) !== true) await answerAsOrthanc(exchange, world);
    };
    // A client that goes away while it is being annoyed is what this server is for.
    answer().catch(() => request.socket.destroy());
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      sentBytes += socket.bytesWritten;
    });
  });
  server.on('clientError', (_, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    get requests() {
      return world.requests;
    },
    get sentBytes() {
      return [...sockets].reduce((sum, socket) => sum + socket.bytesWritten, sentBytes);
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function exchangeOf(request: IncomingMessage, response: ServerResponse): Exchange {
  const { socket } = request;
  const url = new URL(request.url ?? '/', 'http://x');
  const bytes: Exchange['bytes'] = (body, headers = {}) => {
    const given = Buffer.from(body);
    response.writeHead(200, { 'content-length': given.length, ...headers }).end(given);
  };
  return {
    method: request.method ?? '',
    path: url.pathname,
    query: url.searchParams,
    socket,
    body: async () => Buffer.concat(await Array.fromAsync(request)),
    json: (value) => bytes(JSON.stringify(value), { 'content-type': 'application/json' }),
    bytes,
    status: (status, headers = {}) => {
      request.resume();
      response.writeHead(status, { 'content-length': 0, ...headers }).end();
    },
    raw: (text) => {
      socket.write(text);
    },
    pour: async (piece, everyMs = 0) => {
      for (let n = 0; socket.writable; n += 1) {
        const taken = socket.write(typeof piece === 'function' ? piece(n) : piece);
        if (!taken) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
        // Even without a pause the client in the same process must get its turn.
        await delay(everyMs);
      }
    },
  };
}

/** The resources above an instance, from the same numbers that it was generated from. */
export interface Ancestors {
  readonly patient: OrthancId;
  readonly study: OrthancId;
  readonly series: OrthancId;
}

const ancestorsById = new Map<string, Ancestors>();

/** Instances for a {@link World}, of which the server knows the study. */
export function knownInstances(
  generate: (n: number) => GeneratedInstance,
  seed: string,
  count: number,
): readonly GeneratedInstance[] {
  return Array.from({ length: count }, (_, n) => {
    const instance = generate(n);
    const { patientId, studyInstanceUid, seriesInstanceUid } = identifiersOf(placeOfNth(seed, n));
    ancestorsById.set(instance.id, {
      patient: orthancIdOf(patientId),
      study: orthancIdOf(patientId, studyInstanceUid),
      series: orthancIdOf(patientId, studyInstanceUid, seriesInstanceUid),
    });
    return instance;
  });
}

function ancestorsOf(id: string): Ancestors {
  const found = ancestorsById.get(id);
  if (found === undefined) throw new Error('an instance of no known study');
  return found;
}

/** An attachment as 1.12.7 lists it. */
function listedFile({ bytes }: Pick<GeneratedInstance, 'bytes'>): Record<string, unknown> {
  const md5 = md5Of(bytes);
  const size = bytes.length;
  const sizes = { UncompressedSize: size, CompressedSize: size, UncompressedMD5: md5, CompressedMD5: md5 };
  return { ContentType: 1, Uuid: '0bc5b5c2-f5ab-4a8e-a3cf-3ab07ef1b6e1', ...sizes };
}

/** An instance as a page of `/instances` lists it. */
export function listedInstance(instance: GeneratedInstance): Record<string, unknown> {
  const { series } = ancestorsOf(instance.id);
  const nothing = { Labels: [], Metadata: {} };
  return { ID: instance.id, ParentSeries: series, Attachments: [listedFile(instance)], ...nothing };
}

export const system = {
  Name: 'ORTHANC',
  Version: '1.12.7',
  ApiVersion: 27,
  DatabaseVersion: 6,
  DatabaseServerIdentifier: 'hostile',
  HasLabels: true,
  CheckRevisions: false,
  OverwriteInstances: false,
  StorageCompression: false,
  Capabilities: { HasExtendedFind: true, HasExtendedChanges: true },
};
const oldSystem = { Name: 'ORTHANC', Version: '1.10.1', ApiVersion: 16, DatabaseVersion: 6 };

async function answerAsOrthanc(exchange: Exchange, world: World): Promise<void> {
  const { method, path, query, json } = exchange;
  const { instances, old } = world;
  if (path === '/system') return json(old ? oldSystem : system);
  if (path === '/changes') return json(changesOf(world, query));
  if (path === '/plugins' || path === '/tools/labels') return json([]);
  if (path === '/statistics') return json({ CountInstances: instances.length, TotalDiskSize: '0', CountPatients: 1 });
  if (path === '/tools/find') return json(found(world, JSON.parse(String(await exchange.body()))));
  if (path === '/instances' && method === 'GET')
    return json(old ? instances.map(({ id }) => id) : pageOf(world, query));
  if (path === '/instances') return store(exchange);
  const [, level, id, ...rest] = path.split('/');
  const listed = { patients: 'patient', studies: 'study', series: 'series' } as const;
  const isLevel = level === 'patients' || level === 'studies' || level === 'series';
  if (isLevel && id === undefined) return json(resourcesOf(world, listed[level], query));
  const instance = instances.find((one) => one.id === id);
  if (level === 'instances' && instance !== undefined) return answerOfInstance(exchange, instance, rest.join('/'));
  exchange.status(404);
}

function answerOfInstance({ json, bytes, status }: Exchange, instance: GeneratedInstance, below: string): void {
  if (below === '') json({ ID: instance.id });
  else if (below === 'study') json({ ID: ancestorsOf(instance.id).study });
  else if (below === 'attachments/dicom/info') json(listedFile(instance));
  else if (below === 'attachments/dicom/data') bytes(instance.bytes, { etag: `"0-${md5Of(instance.bytes)}"` });
  else status(404);
}

async function store({ body, json }: Exchange): Promise<void> {
  await body();
  json({ ID: 'none of ours', Status: 'Success' });
}

function changesOf({ instances }: World, query: URLSearchParams): unknown {
  if (query.has('last') || query.has('type')) return { Changes: [], Done: true, Last: instances.length };
  const [since, limit] = [Number(query.get('since')), Number(query.get('limit'))];
  const rows = instances.slice(since, since + limit).map(({ id }, index) => changeOf(since + index + 1, id));
  const last = rows.at(-1)?.Seq ?? instances.length;
  return { Changes: rows, Done: since + limit >= instances.length, Last: last };
}

/** An entry of the change feed. */
export function changeOf(seq: number, id: string) {
  return {
    Seq: seq,
    ChangeType: 'NewInstance',
    ResourceType: 'Instance',
    ID: id,
    Path: `/instances/${id}`,
    Date: '20261121T024600',
  };
}

function pageOf({ instances }: World, query: URLSearchParams): unknown {
  const [since, limit] = [Number(query.get('since')), Number(query.get('limit'))];
  return instances.slice(since, since + limit).map(listedInstance);
}

function resourcesOf({ instances }: World, level: keyof Ancestors, query: URLSearchParams): unknown {
  const ids = [...new Set(instances.map(({ id }) => ancestorsOf(id)[level]))].toSorted();
  const since = Number(query.get('since') ?? 0);
  return ids.slice(since).map((id) => resource(instances, level, id));
}

function resource(instances: readonly GeneratedInstance[], level: keyof Ancestors, id: OrthancId) {
  const inside = instances.filter((one) => ancestorsOf(one.id)[level] === id);
  const first = ancestorsOf(inside[0]?.id ?? '');
  return {
    ID: id,
    Labels: [],
    Metadata: {},
    Attachments: [],
    MainDicomTags: {},
    ...(level === 'study' && { ParentPatient: first.patient, Series: [first.series] }),
    ...(level === 'series' && { ParentStudy: first.study, Instances: inside.map((one) => one.id) }),
    ...(level === 'patient' && { IsProtected: false }),
  };
}

interface FindQuery {
  readonly Level: string;
  readonly ParentStudy?: OrthancId;
  readonly ParentPatient?: OrthancId;
  readonly Since?: number;
}

function found({ instances }: World, { Level, ParentStudy, ParentPatient, Since = 0 }: FindQuery): unknown {
  const within = instances.filter(({ id }) => {
    const { study, patient } = ancestorsOf(id);
    return study === ParentStudy || patient === ParentPatient;
  });
  if (Level === 'Instance') return within.slice(Since).map(listedInstance);
  const level = Level === 'Study' ? 'study' : Level === 'Series' ? 'series' : 'patient';
  const ids = [...new Set(within.map(({ id }) => ancestorsOf(id)[level]))].toSorted();
  return ids.slice(Since).map((id) => resource(within, level, id));
}
