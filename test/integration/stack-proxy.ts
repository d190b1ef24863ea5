/** A proxy before a real server, which lets a test spoil single requests. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { z } from 'zod';

/** What is done to a request instead of passing it on; `undefined`: it is passed on. */
export type Fault = 'drop' | number | undefined;

export interface FaultyProxy {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a proxy before the server at `url`. `faultOf` sees every request and decides; a number is a status. */
export async function startProxy(url: string, faultOf: (request: IncomingMessage) => Fault): Promise<FaultyProxy> {
  const server = createServer((incoming, response) => {
    const fault = faultOf(incoming);
    if (fault === undefined) {
      passOn(url, incoming, response);
    } else if (fault === 'drop') {
      incoming.resume();
      incoming.once('end', () => incoming.socket.destroy());
    } else {
      incoming.resume();
      incoming.once('end', () => response.writeHead(fault).end());
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = z.object({ port: z.number() }).parse(server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function passOn(url: string, incoming: IncomingMessage, response: ServerResponse): void {
  const { method, headers } = incoming;
  const outgoing = request(new URL(incoming.url ?? '/', url), { method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
  });
  outgoing.once('error', () => response.destroy());
  incoming.pipe(outgoing);
}
