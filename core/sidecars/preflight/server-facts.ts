/** What the preflight asks a server. */
import * as z from 'zod';
import type { CallOptions } from '../../call-options.ts';
import { listOf } from '../../json.ts';
import type { OrthancCapabilities } from '../../stores/orthanc/capabilities.ts';
import type { OrthancStore } from '../../stores/orthanc/orthanc-store.ts';

export interface ServerFacts {
  readonly name: string;
  readonly capabilities: OrthancCapabilities;
  /** Names of its plugins (`GET /plugins`). */
  readonly plugins: readonly string[];
  /** What it holds; `undefined` where nothing depends on it and it was not asked (`GET /statistics` can be slow). */
  readonly holding: Holding | undefined;
}

export interface Holding {
  readonly patients: number;
  /** Bytes of all attachments on its disk, compressed if it compresses them. */
  readonly diskBytes: number;
}

const statisticsSchema = z.object({ CountPatients: z.coerce.number(), TotalDiskSize: z.coerce.number() });

/** Asks `/system`, `/plugins`, and `/statistics` if told so. Throws what the connection throws. */
export async function readServerFacts(
  store: OrthancStore,
  options: CallOptions & { readonly holding: boolean },
): Promise<ServerFacts> {
  const { signal, holding } = options;
  const [capabilities, plugins, statistics] = await Promise.all([
    store.capabilities({ signal }),
    store.client.findJson('/plugins', listOf(z.string()), { signal }),
    holding ? store.client.getJson('/statistics', statisticsSchema, { signal, long: true }) : undefined,
  ]);
  return {
    name: store.name,
    capabilities,
    plugins: plugins ?? [],
    holding: statistics && { patients: statistics.CountPatients, diskBytes: statistics.TotalDiskSize },
  };
}

/** Whether a server refuses or deletes at some limit. */
export function hasLimit({ maximumStorageSizeMb, maximumPatientCount }: OrthancCapabilities): boolean {
  return (maximumStorageSizeMb ?? 0) > 0 || (maximumPatientCount ?? 0) > 0;
}
