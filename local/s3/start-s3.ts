/**
 * A small S3 server on a folder, for tests and the local stack: path style, on the loopback interface only, believing
 * every signature. It keeps what it confirmed when it is killed, and holds no body in memory.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { finished, pipeline } from 'node:stream/promises';
import { type IsAllowed, requireAllowed } from './access.ts';
import { Buckets } from './buckets.ts';
import { type Answer, type ObjectCreated, xmlAnswer } from './call.ts';
import { Failure } from './failure.ts';
import { header } from './incoming-body.ts';
import { answerForBucket, answerForObject } from './routes.ts';
import { toXml } from './xml.ts';

export type { ObjectCreated } from './call.ts';

export interface S3ServerOptions {
  /** Where everything is kept; created if absent. One server at a time. */
  readonly folder: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Decides who may do what; default: everybody everything. */
  readonly isAllowed?: IsAllowed;
  /** By which what is cold thaws; default: that of the machine. */
  readonly now?: () => Date;
  /** Called after each new object, like S3's event notifications; must not throw. */
  readonly onObjectCreated?: (event: ObjectCreated) => void;
}

export interface S3Server {
  /** Such as `http://127.0.0.1:40123`. */
  readonly endpoint: string;
  close(): Promise<void>;
}

export async function startS3(options: S3ServerOptions): Promise<S3Server> {
  const buckets = await Buckets.open(options.folder);
  const { onObjectCreated = () => undefined, isAllowed = () => true, now = () => new Date() } = options;
  const server = createServer((request, response) => {
    void respond(request, response, () => answerTo(request, buckets, { isAllowed, onObjectCreated, now }));
  });
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answerTo(
  request: IncomingMessage,
  buckets: Buckets,
  { isAllowed, onObjectCreated, now }: Required<Pick<S3ServerOptions, 'isAllowed' | 'onObjectCreated' | 'now'>>,
): Promise<Answer> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const [, bucketName = '', key = ''] = /^\/([^/]*)\/?(.*)$/s.exec(decodePath(url.pathname)) ?? [];
  const query = url.searchParams;
  requireAllowed(request, isAllowed, bucketName, key);
  if (bucketName === '') {
    return listBuckets(buckets);
  }
  if (request.method === 'PUT' && key === '' && [...query.keys()].every((name) => name === 'x-id')) {
    request.resume();
    await buckets.create(bucketName, header(request.headers, 'x-amz-bucket-object-lock-enabled') === 'true');
    return { status: 200, headers: { location: `/${bucketName}` } };
  }
  const bucket = buckets.named(bucketName);
  const call = { request, bucket, query, onObjectCreated, now, bucketNamed: (name: string) => buckets.named(name) };
  return key === '' ? answerForBucket(call) : answerForObject({ ...call, key });
}

function listBuckets(buckets: Buckets): Answer {
  const all = buckets.all.map(({ settings }) => ({ Name: settings.name, CreationDate: settings.createdAt }));
  return xmlAnswer(toXml('ListAllMyBucketsResult', { Buckets: { Bucket: all } }));
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new Failure(400, 'InvalidURI');
  }
}

async function respond(request: IncomingMessage, response: ServerResponse, work: () => Promise<Answer>): Promise<void> {
  const answer = await work().catch((error: unknown) => answerOfFailure(error));
  await readToEnd(request);
  const { body } = answer;
  const length = typeof body === 'string' ? { 'content-length': String(Buffer.byteLength(body)) } : {};
  response.writeHead(answer.status, { ...answer.headers, ...length });
  if (request.method === 'HEAD' || body === undefined || typeof body === 'string') {
    response.end(request.method === 'HEAD' ? undefined : body);
    return;
  }
  // If the reader leaves, or the disk fails amid the body, the connection breaks, which tells the reader.
  await pipeline(body, response).catch(() => response.destroy());
}

/** Clients that are answered before they sent their whole body take that for a broken connection. */
async function readToEnd(request: IncomingMessage): Promise<void> {
  if (!request.readableEnded && !request.destroyed) {
    request.resume();
    await finished(request, { writable: false }).catch(() => undefined);
  }
}

function answerOfFailure(error: unknown): Answer {
  const failure = error instanceof Failure ? error : new Failure(500, 'InternalError', String(error));
  const body = toXml('Error', { Code: failure.code, Message: failure.message });
  return { status: failure.status, headers: { 'content-type': 'application/xml', ...failure.headers }, body };
}
