/** Finds out which destinations lack an instance, without reading its bytes. */
import type { InstanceId, Md5 } from '../identifiers.ts';
import type { InventoryEntry, Store } from '../stores/store.ts';
import { conflictError, type Destination, type DestinationOutcome, outcomeOfError } from './outcome.ts';

/** What is known of an instance's presence before it is copied. */
export interface CopyRequest {
  readonly id: InstanceId;
  /** Hash and size that the source listed, where it did. */
  readonly md5?: Md5 | undefined;
  readonly sizeBytes?: number | undefined;
  /** Destinations known to hold nothing under this id (an archive: not these bytes). */
  readonly lacking: readonly Destination[];
  /** Destinations that must be asked first. */
  readonly undecided: readonly Destination[];
  /** What is settled at other destinations; passed on to the result. */
  readonly settled?: readonly DestinationOutcome[];
}

export interface Decision {
  readonly md5: Md5 | undefined;
  readonly sizeBytes: number | undefined;
  readonly lacking: readonly Destination[];
  /** Those of `lacking` that were asked just now and hold nothing; a listing may be hours old. */
  readonly absent: ReadonlySet<Destination>;
  readonly outcomes: readonly DestinationOutcome[];
}

/** How a destination stands to the bytes that the source holds; `unknown` when one of the two tells no hash. */
export type Standing = 'lacking' | 'equal' | 'conflict' | 'unknown';

/** Compares what a destination holds under one id with the source's hash. An archive keeps versions side by side. */
export function standingOf(
  role: Destination['role'],
  held: readonly InventoryEntry[],
  sourceMd5: Md5 | undefined,
): Standing {
  if (held.length === 0) return 'lacking';
  if (sourceMd5 === undefined) return 'unknown';
  if (held.some((entry) => entry.md5 === sourceMd5)) return 'equal';
  if (role === 'archive') return 'lacking';
  return held.some((entry) => entry.md5 === undefined) ? 'unknown' : 'conflict';
}

/**
 * Asks the undecided destinations what they hold, and the source for its hash only if one of them holds something.
 * A destination that cannot be asked gets its outcome; a source that cannot be asked throws.
 */
export async function decide(request: CopyRequest, source: Store, signal: AbortSignal | undefined): Promise<Decision> {
  if (request.undecided.length === 0) {
    return { ...known(request), lacking: request.lacking, absent: new Set(), outcomes: request.settled ?? [] };
  }
  const answers = await Promise.all(request.undecided.map((destination) => ask(destination, request.id, signal)));
  const atSource = answers.some(({ held }) => held.length > 0)
    ? await askSource(request, source, signal)
    : known(request);
  const lacking = [...request.lacking];
  const absent = new Set<Destination>();
  const outcomes = [...(request.settled ?? [])];
  for (const { destination, held, outcome } of answers) {
    if (outcome !== undefined) {
      outcomes.push(outcome);
      continue;
    }
    switch (standingOf(destination.role, held, atSource.md5)) {
      case 'equal':
        outcomes.push({ destination, kind: 'already-equal' });
        break;
      case 'conflict':
        outcomes.push({ destination, kind: 'conflict', error: conflictError(destination, request.id) });
        break;
      case 'lacking':
        absent.add(destination);
        lacking.push(destination);
        break;
      // Where no hash is known the destination decides when it has the bytes: it compares them with what it holds.
      case 'unknown':
        lacking.push(destination);
    }
  }
  return { ...atSource, lacking, absent, outcomes };
}

function known(request: CopyRequest): { md5: Md5 | undefined; sizeBytes: number | undefined } {
  return { md5: request.md5, sizeBytes: request.sizeBytes };
}

interface Answer {
  readonly destination: Destination;
  readonly held: readonly InventoryEntry[];
  readonly outcome?: DestinationOutcome;
}

async function ask(destination: Destination, id: InstanceId, signal: AbortSignal | undefined): Promise<Answer> {
  try {
    return { destination, held: await destination.store.lookup(id, { signal }) };
  } catch (error) {
    signal?.throwIfAborted();
    return { destination, held: [], outcome: outcomeOfError(destination, error, 'destination') };
  }
}

async function askSource(
  request: CopyRequest,
  source: Store,
  signal: AbortSignal | undefined,
): Promise<{ md5: Md5 | undefined; sizeBytes: number | undefined }> {
  if (request.md5 !== undefined) return known(request);
  const entry = (await source.lookup(request.id, { signal }))[0];
  return { md5: entry?.md5, sizeBytes: entry?.sizeBytes };
}
