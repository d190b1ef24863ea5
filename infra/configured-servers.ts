import { serversOfMirror } from '../core/config/cloud-shares.ts';
import type { Configuration } from '../core/config/schema.ts';
import type { ServerConfiguration } from '../core/config/server-schema.ts';

/** Every source and target of a configuration. */
export function serversOf({ mirrors }: Configuration): ServerConfiguration[] {
  return Object.values(mirrors).flatMap(serversOfMirror);
}
