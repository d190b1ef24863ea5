/** The connections to one server. */
import { getCACertificates } from 'node:tls';
import { Client, type Dispatcher, Pool, ProxyAgent } from 'undici';
import { proxyEnvironment } from '../../environment.ts';
import { defaultMaxConnections, type OrthancConnection, type Timeouts } from './connection.ts';
import { guardedLookup } from './egress-guard.ts';
import { proxyFor } from './proxy.ts';

/** Orthanc closes an idle connection after 1.0 s (measured on 1.10.1 and 1.13.0): we let go before. */
const idleTimeoutMs = 700;
/** Longest headers of an answer, all together; Orthanc sends some hundred bytes, a proxy a few thousand. */
const mostHeaderBytes = 16 * 1024;

/** A request that another one may follow on the same connection, before its answer is there. */
export interface FollowedRequest {
  /** Is given the connection as soon as the request is on it, to make one call. */
  readonly follow?: ((connection: Client) => void) | undefined;
}

/**
 * A connection that takes one request at a time, and a second one only where that is meant to follow the first: servers
 * answer in the order of what they got, so others would wait for answers that are not theirs.
 */
class Connection extends Client {
  #isFollowing = false;
  #takesMore = true;

  override dispatch(
    options: Dispatcher.DispatchOptions & FollowedRequest,
    handler: Dispatcher.DispatchHandler,
  ): boolean {
    if (this.#isFollowing) {
      this.#takesMore = super.dispatch(options, handler);
      return this.#takesMore;
    }
    const { follow } = options;
    this.pipelining = follow === undefined ? 1 : 2;
    this.#takesMore = super.dispatch(options, handler);
    this.#isFollowing = true;
    follow?.(this);
    this.#isFollowing = false;
    return this.#takesMore;
  }
}

/** The connections to one server, direct or through a proxy. */
export interface ConnectionPool {
  request(options: Omit<Dispatcher.RequestOptions, 'origin'> & FollowedRequest): Promise<Dispatcher.ResponseData>;
  readonly stats: { readonly connected: number; readonly running: number; readonly queued: number };
  destroy(): Promise<void>;
}

/** Makes the pool, without a connection yet. Close it to let go of its connections. */
export function poolOf(origin: string, connection: OrthancConnection, timeouts: Timeouts): ConnectionPool {
  const { ca, ...identity } = connection.tls ?? {};
  const connect = {
    timeout: timeouts.connectMs,
    ...(connection.egress === undefined ? {} : { lookup: guardedLookup(connection.egress) }),
    ...definedOnly(identity),
    ...(ca === undefined ? {} : { ca: [...getCACertificates('default'), ca] }),
  };
  const options = {
    connections: connection.maxConnections ?? defaultMaxConnections,
    allowH2: false,
    factory: (url: URL, options: Client.Options) => new Connection(url, options),
    keepAliveTimeout: idleTimeoutMs,
    keepAliveMaxTimeout: idleTimeoutMs,
    // Orthanc announces `Keep-Alive: timeout=1`; the usual threshold of 1 s would make that no keep-alive at all.
    keepAliveTimeoutThreshold: 1000 - idleTimeoutMs,
    maxHeaderSize: mostHeaderBytes,
    bodyTimeout: timeouts.bodyMs,
  };
  // Where the addresses of servers are checked, nobody else may resolve them.
  const proxy = connection.egress === undefined ? proxyFor(new URL(origin), proxyEnvironment()) : undefined;
  if (proxy === undefined) return new Pool(origin, { ...options, connect });
  return proxied(origin, proxy, options, connect);
}

function proxied(origin: string, uri: string, options: Pool.Options, requestTls: object): ConnectionPool {
  let pool: Pool | undefined;
  const agent = new ProxyAgent({
    uri,
    requestTls,
    factory: (address, given) => {
      pool = new Pool(address, Object.assign(given, options));
      return pool;
    },
  });
  return {
    request: (call) => agent.request({ ...call, origin }),
    get stats() {
      return pool?.stats ?? { connected: 0, running: 0, queued: 0 };
    },
    destroy: () => agent.destroy(),
  };
}

function definedOnly(options: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(options).flatMap(([name, value]): [string, string][] =>
      value === undefined ? [] : [[name, value]],
    ),
  );
}
