/**
 * What functions use of undici, in its place when they are bundled: its index brings `fetch`, WebSockets, a cache and mocks
 * along, 0.2 MB that every cold start would read.
 */
export * as errors from '../node_modules/undici/lib/core/errors.js';
export { default as Client } from '../node_modules/undici/lib/dispatcher/client.js';
export { default as Pool } from '../node_modules/undici/lib/dispatcher/pool.js';
export { default as ProxyAgent } from '../node_modules/undici/lib/dispatcher/proxy-agent.js';
