/**
 * A server that takes, tells, delivers and deletes real DICOM files as Orthanc does, in memory: for what becomes of
 * uploads and replacements, at the speed of a unit test. What attachments of users are to real servers, it does not know.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { readIdentifyingElements } from '../../core/dicom/identifier-reader.ts';
import { type InstanceId, isInstanceId, md5Of, type OrthancId, orthancIdOf } from '../../core/identifiers.ts';
import { type OrthancStore, openOrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import type { RetryPolicy } from '../../core/stores/orthanc/retry.ts';

interface HeldInstance {
  readonly bytes: Uint8Array;
  readonly fileUuid: string;
  readonly patients: OrthancId;
  readonly studies: OrthancId;
  readonly series: OrthancId;
}

/** One request with its body, whole or as far as it came. */
export interface AskedRequest {
  readonly method: string;
  readonly path: string;
  readonly body: Uint8Array;
}

/** A status with an answer: a text as it is, bytes as they are, anything else as JSON. */
export interface Answer {
  readonly status: number;
  readonly value?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const notFound: Answer = { status: 404, value: {} };
const levels = { Patient: 'patients', Study: 'studies', Series: 'series', Instance: 'instances' } as const;
type LevelName = keyof typeof levels;
type Level = (typeof levels)[LevelName];

/** `GET /system` of a version that lists hashes, and of one that tells nothing of itself. */
export const newSystem = {
  Version: '1.13.0',
  ApiVersion: 31,
  Capabilities: { HasExtendedFind: true },
  OverwriteInstances: false,
  StoreMD5ForAttachments: true,
  PatientLevelEnabled: true,
};
export const oldSystem = { Version: '1.10.1', ApiVersion: 16 };

export class OrthancInMemory {
  readonly held = new Map<InstanceId, HeldInstance>();
  /** Metadata of users, by `level/id` and number. */
  readonly metadata = new Map<string, Record<string, string>>();
  readonly protectedPatients = new Set<string>();
  readonly asked: AskedRequest[] = [];
  /** Whether it replaces what it holds by what comes under the same id, also where it does not tell. */
  overwrites: boolean;
  /** Answers in the place of the server; `undefined`: the server answers. */
  instead: (request: AskedRequest) => Answer | undefined = () => undefined;
  system: Readonly<Record<string, unknown>>;
  #files = 0;
  readonly #server: Server;
  readonly #turns = new WeakMap<Socket, Promise<void>>();

  constructor(system: Readonly<Record<string, unknown>> = newSystem) {
    this.system = system;
    this.overwrites = system.OverwriteInstances === true;
    this.#server = createServer((request, response) => {
      const { socket } = request;
      // A server does what comes on one connection one after the other.
      const turn = (this.#turns.get(socket) ?? Promise.resolve()).then(() => this.#serve(request, response));
      this.#turns.set(socket, turn);
    });
  }

  /** Starts for one test. @returns the product's connection to it */
  async connect(name = 'target'): Promise<OrthancStore> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    const address: AddressInfo | string | null = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the server has no port');
    const onceAgain: RetryPolicy = ({ disposition }, attempt) =>
      disposition === 'retry' && attempt === 1 ? 0 : undefined;
    const store = openOrthancStore({ url: `http://127.0.0.1:${address.port}`, name }, onceAgain);
    onTestFinished(async () => {
      await store.close();
      this.#server.close();
      this.#server.closeAllConnections();
    });
    return store;
  }

  /** Puts a file there. @returns its id */
  put(bytes: Uint8Array): InstanceId {
    const ids = idsOf(bytes);
    if (ids === undefined) throw new Error('no DICOM file');
    this.#files += 1;
    this.held.set(ids.id, { ...ids.parents, bytes, fileUuid: `file-${this.#files}` });
    return ids.id;
  }

  /** What was asked that changes something; POSTs below `/tools` only ask. */
  changes(): readonly string[] {
    const changing = this.asked.filter(({ method, path }) => method !== 'GET' && !path.startsWith('/tools'));
    return changing.map(({ method, path }) => `${method} ${path}`);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Uint8Array[] = [];
    const asked = { method: request.method ?? '', path: request.url ?? '/' };
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      // The connection broke: what came of the body was taken note of, and is no upload.
      this.asked.push({ ...asked, body: Buffer.concat(chunks) });
      return;
    }
    const whole = { ...asked, body: Buffer.concat(chunks) };
    this.asked.push(whole);
    const { status, value, headers } = this.instead(whole) ?? this.#answer(whole);
    const isPlain = typeof value === 'string' || value instanceof Uint8Array;
    const body = isPlain ? value : JSON.stringify(value ?? {});
    response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers });
    response.end(body);
  }

  #answer({ method, path, body }: AskedRequest): Answer {
    const { pathname, searchParams } = new URL(path, 'http://localhost');
    const [, level = '', id = '', part = '', number = '', detail = ''] = pathname.split('/');
    switch (true) {
      case pathname === '/system':
        return { status: 200, value: this.system };
      case pathname === '/statistics':
        return { status: 200, value: { CountInstances: this.held.size } };
      case pathname === '/tools/default-encoding':
        return { status: 200, value: 'Latin1' };
      case pathname === '/tools/find':
        return { status: 200, value: this.#found(JSON.parse(Buffer.from(body).toString())) };
      case method === 'POST' && pathname === '/instances':
        return this.#upload(body);
      case id === '' && isLevel(level):
        return { status: 200, value: this.#list(level, searchParams) };
      case part === 'metadata':
        return this.#onMetadata(method, `${level}/${id}`, number, body);
      case level === 'patients' && part === 'protected':
        return { status: 200, value: this.protectedPatients.has(id) ? '1' : '0' };
      case level === 'instances' && isInstanceId(id):
        return this.#onInstance(method, id, part === 'attachments' ? detail : part);
      case level === 'studies' && part === 'instances':
        return { status: 200, value: this.#below('studies', id).map((ID) => ({ ID })) };
      default:
        return notFound;
    }
  }

  #upload(body: Uint8Array): Answer {
    const ids = idsOf(body);
    if (ids === undefined) return { status: 400, value: {} };
    const isThere = this.held.has(ids.id) && !this.overwrites;
    if (!isThere) this.put(body);
    return { status: 200, value: { ID: ids.id, Status: isThere ? 'AlreadyStored' : 'Success' } };
  }

  #onInstance(method: string, id: InstanceId, part: string): Answer {
    const held = this.held.get(id);
    if (held === undefined) return notFound;
    const md5 = this.system.StoreMD5ForAttachments === false ? '' : md5Of(held.bytes);
    switch (part) {
      case 'md5':
        return md5 === '' ? notFound : { status: 200, value: md5 };
      case 'size':
        return { status: 200, value: String(held.bytes.length) };
      case 'info':
        return { status: 200, value: attachmentOf(held, md5) };
      case 'data':
        return { status: 200, value: held.bytes, headers: { etag: `"0-${md5}"` } };
      case 'study':
        return { status: 200, value: { ID: held.studies } };
      default:
        if (method === 'DELETE') this.#delete(id);
        return { status: 200, value: { ID: id, FileUuid: held.fileUuid, FileSize: held.bytes.length } };
    }
  }

  /** With the last child of a parent goes what the parent carries. */
  #delete(id: InstanceId): void {
    const held = this.held.get(id);
    this.held.delete(id);
    this.metadata.delete(`instances/${id}`);
    for (const level of ['series', 'studies', 'patients'] as const) {
      const parent = held?.[level];
      if (parent !== undefined && this.#below(level, parent).length === 0) this.metadata.delete(`${level}/${parent}`);
    }
  }

  #onMetadata(method: string, resource: string, number: string, body: Uint8Array): Answer {
    const known = this.metadata.get(resource) ?? {};
    const { [number]: value, ...others } = known;
    if (method === 'PUT') this.metadata.set(resource, { ...others, [number]: Buffer.from(body).toString() });
    if (method === 'DELETE') this.metadata.set(resource, others);
    return value === undefined && method !== 'PUT' ? notFound : { status: 200, value: value ?? '' };
  }

  /** All of a level: their ids, or a page of what is asked of them. */
  #list(level: Level, query: URLSearchParams): unknown {
    const ids = this.#idsAt(level);
    if (!query.has('response-content')) return ids;
    const [since, limit] = [Number(query.get('since')), Number(query.get('limit'))];
    return ids.slice(since, since + limit).map((id) => this.#listed(level, id));
  }

  /** `/tools/find` by ParentStudy or ParentPatient, which find the resource itself, too. */
  #found(query: { Level: LevelName; ParentStudy?: string; ParentPatient?: string; Since: number }): unknown {
    if (query.Since > 0) return [];
    const [by, parent] =
      query.ParentStudy === undefined
        ? (['patients', query.ParentPatient] as const)
        : (['studies', query.ParentStudy] as const);
    const instances = new Set(this.#below(by, parent ?? ''));
    const level = levels[query.Level];
    return this.#idsAt(level, instances).map((id) => this.#listed(level, id));
  }

  #listed(level: Level, ID: OrthancId): unknown {
    const instances = level === 'instances' ? [ID as InstanceId] : this.#below(level, ID);
    const held = this.held.get(instances[0] as InstanceId);
    if (held === undefined) throw new Error('what is listed is held');
    const Metadata = this.metadata.get(`${level}/${ID}`) ?? {};
    const content = { ID, Metadata, Labels: [], Attachments: [] as unknown[] };
    const { patients: ParentPatient, studies: ParentStudy, series: ParentSeries } = held;
    switch (level) {
      case 'patients':
        return { ...content, IsProtected: this.protectedPatients.has(ID) };
      case 'studies':
        return { ...content, ParentPatient, Series: this.#idsAt('series', new Set(instances)) };
      case 'series':
        return { ...content, ParentStudy, Instances: instances };
      case 'instances':
        return { ...content, ParentSeries, Attachments: [attachmentOf(held, md5Of(held.bytes))] };
    }
  }

  #below(level: 'patients' | 'studies' | 'series', id: string): readonly InstanceId[] {
    return [...this.held].flatMap(([instance, held]) => (held[level] === id ? [instance] : []));
  }

  #idsAt(level: Level, only?: ReadonlySet<InstanceId>): readonly OrthancId[] {
    const ids = [...this.held].flatMap(([id, held]) =>
      only?.has(id) === false ? [] : [level === 'instances' ? id : held[level]],
    );
    return [...new Set(ids)].sort();
  }
}

function isLevel(text: string): text is Level {
  return Object.values<string>(levels).includes(text);
}

function attachmentOf({ bytes, fileUuid }: HeldInstance, md5: string): unknown {
  return { ContentType: 1, UncompressedSize: bytes.length, UncompressedMD5: md5, Uuid: fileUuid };
}

function idsOf(bytes: Uint8Array) {
  const elements = readIdentifyingElements(bytes);
  if (elements === undefined) return undefined;
  const { studyInstanceUid: study, seriesInstanceUid: series, sopInstanceUid: instance } = elements;
  const patient = Buffer.from(elements.patientId).toString('latin1');
  return {
    id: orthancIdOf(patient, study, series, instance) as InstanceId,
    parents: {
      patients: orthancIdOf(patient),
      studies: orthancIdOf(patient, study),
      series: orthancIdOf(patient, study, series),
    },
  };
}
