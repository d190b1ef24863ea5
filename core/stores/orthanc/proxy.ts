/** Which proxy a server is reached through, by the variables that curl, wget and others know. Pure. */
import type { ProxyEnvironment } from '../../environment.ts';

const defaultPorts: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };

/**
 * @returns the address of the proxy for a server, `undefined` for a direct connection. `NO_PROXY` is `*`, or names,
 *   domains (`.example.org`, with all that is below them) and addresses, each with or without a port.
 */
export function proxyFor(server: URL, { httpProxy, httpsProxy, noProxy = '' }: ProxyEnvironment): string | undefined {
  const proxy = server.protocol === 'https:' ? httpsProxy : httpProxy;
  if (proxy === undefined || proxy === '') return undefined;
  const port = server.port || defaultPorts[server.protocol];
  const host = server.hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const excepted = noProxy
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .some((entry) => isExcepted(host, port, entry.toLowerCase()));
  if (excepted) return undefined;
  return proxy.includes('://') ? proxy : `http://${proxy}`;
}

function isExcepted(host: string, port: string | undefined, entry: string): boolean {
  if (entry === '*') return true;
  const [, bracketed, plain = entry, itsPort] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(entry) ?? [];
  if (itsPort !== undefined && itsPort !== port) return false;
  const name = (bracketed ?? plain).replace(/^\*?\./, '');
  return host === name || host.endsWith(`.${name}`);
}
