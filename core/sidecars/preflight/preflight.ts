/** Looks at a target, and at the source, before anything is written: would this mirror lose or spoil something? */

import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import type { OrthancStore } from '../../stores/orthanc/orthanc-store.ts';
import type { Finding } from './finding.ts';
import { hasLimit, readServerFacts } from './server-facts.ts';
import { sourceFindings } from './source-findings.ts';
import { type Planned, targetFindings } from './target-findings.ts';

export interface PreflightOptions extends CallOptions, Planned {
  /** What disappears at the source is to be deleted at the target too. */
  readonly propagatesDeletions?: boolean | undefined;
}

/**
 * Asks both servers for `/system` and `/plugins`, and for `/statistics` only where a limit makes it matter. `source` is
 * absent where the source is no server. @returns what was found, the gravest first; nothing found is an empty list.
 * Throws what the connections throw.
 */
export async function preflight(
  source: OrthancStore | undefined,
  target: OrthancStore,
  options: PreflightOptions = {},
): Promise<readonly Finding[]> {
  const { signal, propagatesDeletions = false } = options;
  const limited = hasLimit(await target.capabilities({ signal }));
  const [ofTarget, ofSource] = await Promise.all([
    readServerFacts(target, { signal, holding: limited }),
    source === undefined ? undefined : readServerFacts(source, { signal, holding: limited }),
  ]);
  const found = [
    ...targetFindings(ofTarget, ofSource, options),
    ...(ofSource === undefined ? [] : sourceFindings(ofSource, propagatesDeletions)),
  ];
  const order = ['halt', 'risk', 'note'] as const;
  return found.sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
}

/** @returns the error that holds the mirror up, or `undefined` if nothing does; `force` overrides risks, not halts. */
export function refusalOf(
  findings: readonly Finding[],
  { force }: { readonly force: boolean },
): MirrorError | undefined {
  const holding = findings.filter(({ severity }) => severity === 'halt' || (severity === 'risk' && !force));
  if (holding.length === 0) return undefined;
  const isAcceptable = holding.every(({ severity }) => severity === 'risk');
  return new MirrorError('preflight-refused', holding.map(({ message }) => message).join('; '), {
    advice: isAcceptable ? 'accept-risk' : undefined,
  });
}
