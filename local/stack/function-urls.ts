/** Serves the function URLs of a template on loopback, as Lambda does (payload format 2.0). */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { z } from 'zod';
import { type LocalFunction, ThrottledError } from './local-function.ts';

/** Lambda takes requests of at most 6 MB. Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const largestBodyBytes = 6 * 1024 * 1024;

/** Lambda takes connections as they come; the usual 511 are few for a flood. */
const mostWaitingConnections = 4096;

const responseSchema = z.object({
  statusCode: z.int(),
  headers: z.record(z.string(), z.string()).default({}),
  body: z.string().default(''),
  isBase64Encoded: z.boolean().default(false),
});

/** One function URL. */
export class LocalFunctionUrl {
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.url = `http://127.0.0.1:${port}/`;
  }

  /** @param port 0: a free one */
  static async start(served: LocalFunction, port: number): Promise<LocalFunctionUrl> {
    const server = createServer((request, response) => void answer(request, response, served));
    server.listen({ port, host: '127.0.0.1', backlog: mostWaitingConnections });
    await once(server, 'listening');
    const address = z.object({ port: z.number() }).parse(server.address());
    return new LocalFunctionUrl(server, address.port);
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answer(request: IncomingMessage, response: ServerResponse, served: LocalFunction): Promise<void> {
  const body = await readBody(request).catch(() => undefined);
  if (body === undefined) {
    response.writeHead(413, { connection: 'close' }).end();
    return;
  }
  try {
    const answered = responseSchema.parse(await served.invoke(eventOf(request, body)));
    const text = Buffer.from(answered.body, answered.isBase64Encoded ? 'base64' : 'utf8');
    response.writeHead(answered.statusCode, answered.headers).end(text);
  } catch (error) {
    response.writeHead(error instanceof ThrottledError ? 429 : 502).end();
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    chunks.push(Buffer.from(chunk));
    sizeBytes += chunk.length;
    if (sizeBytes > largestBodyBytes) {
      throw new Error('the request is larger than Lambda takes');
    }
  }
  return Buffer.concat(chunks);
}

function eventOf(request: IncomingMessage, body: Buffer): unknown {
  const { pathname, search } = new URL(request.url ?? '/', 'http://local');
  const headers = Object.entries(request.headers).map(([name, value]) => [name, [value].flat().join(',')]);
  return {
    version: '2.0',
    rawPath: pathname,
    rawQueryString: search.slice(1),
    headers: Object.fromEntries(headers),
    requestContext: { http: { method: request.method, path: pathname, protocol: 'HTTP/1.1', sourceIp: '127.0.0.1' } },
    body: body.toString('base64'),
    isBase64Encoded: true,
  };
}
