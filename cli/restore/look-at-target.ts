import type { CallOptions } from '../../core/call-options.ts';
import { preflight, refusalOf } from '../../core/sidecars/preflight/preflight.ts';
import { hasLimit } from '../../core/sidecars/preflight/server-facts.ts';
import type { OrthancStore } from '../../core/stores/orthanc/orthanc-store.ts';
import type { Store } from '../../core/stores/store.ts';
import { mergeJoin } from '../../core/streams/merge-join.ts';

export interface LookOptions extends CallOptions {
  /** Go on in spite of risks. */
  readonly force: boolean;
  readonly say: (line: string) => void;
}

/**
 * Looks at a server before anything is restored to it, and tells what was found. Throws `preflight-refused` if the server
 * would spoil what it is given, or delete patients to make room for it; and what the connections throw.
 */
export async function lookAtTarget(view: Store, server: OrthancStore, options: LookOptions): Promise<void> {
  const { force, say, signal } = options;
  const limited = hasLimit(await server.capabilities({ signal }));
  const planned = limited ? await amountLacking(view, server, { signal }) : {};
  const findings = await preflight(undefined, server, { ...planned, signal });
  for (const { severity, message } of findings) say(`${severity}: ${message}`);
  const refusal = refusalOf(findings, { force });
  if (refusal !== undefined) throw refusal;
}

async function amountLacking(view: Store, server: Store, { signal }: CallOptions) {
  let [plannedInstances, plannedBytes] = [0, 0];
  for await (const { held } of mergeJoin([view.inventory({ signal }), server.inventory({ signal })])) {
    const [[entry] = [], atServer = []] = held;
    if (entry === undefined || atServer.length > 0) continue;
    plannedInstances += 1;
    plannedBytes += entry.sizeBytes ?? 0;
  }
  return { plannedInstances, plannedBytes };
}
