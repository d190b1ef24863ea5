/** A proxy for bytes that keeps answers back until the client has said something more: who waits for answers waits for ever. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface WithholdingProxy extends AsyncDisposable {
  readonly url: string;
  /** From now on what a server answers on a connection is passed on when `until` is met by what the client sent on it since. */
  withhold(): void;
}

/** @param until is given what the client sent on a connection since the last answer was let through */
export async function startWithholdingProxy(
  targetUrl: string,
  until: (sent: string) => boolean,
): Promise<WithholdingProxy> {
  const { hostname, port } = new URL(targetUrl);
  let isWithholding = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let sent = '';
    let kept: Buffer[] = [];
    const letThrough = () => {
      if (isWithholding && !until(sent)) return;
      for (const chunk of kept) client.write(chunk);
      kept = [];
    };
    client.on('data', (chunk) => {
      sent += chunk.toString('latin1');
      upstream.write(chunk);
      letThrough();
    });
    upstream.on('data', (chunk) => {
      kept.push(chunk);
      letThrough();
    });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    withhold: () => {
      isWithholding = true;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
