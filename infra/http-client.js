/**
 * What functions use of undici, in its place when they are bundled: its index does the same, and brings `fetch`,
 * WebSockets, a cache and mocks along, 0.2 MB that every cold start would read.
 */
import * as api from '../node_modules/undici/lib/api/index.js';
import Client from '../node_modules/undici/lib/dispatcher/client.js';
import Dispatcher from '../node_modules/undici/lib/dispatcher/dispatcher.js';
import Pool from '../node_modules/undici/lib/dispatcher/pool.js';
import ProxyAgent from '../node_modules/undici/lib/dispatcher/proxy-agent.js';

Object.assign(Dispatcher.prototype, api);

export * as errors from '../node_modules/undici/lib/core/errors.js';
export { Client, Pool, ProxyAgent };
