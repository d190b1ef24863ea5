/**
 * Copies one instance: one read of the source feeds every destination that lacks it, and no destination ever
 * completes bytes whose hash was not verified before its last byte was sent.
 */
import { isMirrorError, MirrorError } from '../errors.ts';
import type { Md5 } from '../identifiers.ts';
import type { InstanceBytes, InstanceIdentity, OpenInstance, StoreOutcome } from '../stores/store.ts';
import { Branch } from './branch.ts';
import type { CopyContext } from './copy-context.ts';
import { type CopyRequest, type Decision, decide } from './decide.ts';
import {
  type CopyResult,
  conflictError,
  type Destination,
  type DestinationOutcome,
  outcomeOfError,
} from './outcome.ts';
import { pumpVerified } from './pump.ts';
import { readUntilVerifiable, wholeInMemoryBytes } from './read-verified.ts';

/** What a streamed instance counts as in the budget: buffers of the sockets and of a multipart upload. */
const streamedBytes = 32 * 1024 * 1024;

/**
 * Brings one instance to its destinations. Outside errors end up in the outcomes, one per destination; what is thrown
 * is a defect. A body whose hash is wrong is read a second time before it is rejected.
 */
export async function copyInstance(request: CopyRequest, context: CopyContext): Promise<CopyResult> {
  let decision: Decision;
  try {
    decision = await decide(request, context.source, context.signal);
  } catch (error) {
    const all = [...request.lacking, ...request.undecided];
    return resultOf(request, { md5: request.md5, sizeBytes: request.sizeBytes }, [
      ...(request.decided ?? []),
      ...failAll(all, error, context.signal),
    ]);
  }
  const kept = await storeKept(request, decision, context.signal);
  const lacking = decision.lacking.filter(
    (destination) => !kept.some((outcome) => outcome.destination === destination),
  );
  const decidedBefore = [...decision.outcomes, ...kept];
  // Nothing was read, so that nothing counts as bytes that were copied.
  if (lacking.length === 0) {
    const sizeBytes = kept.length === 0 ? decision.sizeBytes : undefined;
    return resultOf(request, { md5: decision.md5, sizeBytes }, decidedBefore);
  }
  const first = await readAndStore(request, decision, lacking, context);
  const mismatched = first.outcomes.filter(({ error }) => error?.code === 'hash-mismatch');
  if (mismatched.length === 0) return resultOf(request, first, [...decidedBefore, ...first.outcomes]);
  const final = first.outcomes.filter((outcome) => !mismatched.includes(outcome));
  const again = mismatched.map(({ destination }) => destination);
  const second = await readAndStore(request, { ...decision, absent: new Set() }, again, context);
  return resultOf(request, second, [...decidedBefore, ...final, ...second.outcomes.map(rejectSecondMismatch)]);
}

/** Lets an archive that keeps the very bytes already take note that they count; nothing is read for that. */
async function storeKept(
  { id }: CopyRequest,
  { kept, md5, sizeBytes, lacking }: Decision,
  signal: AbortSignal | undefined,
): Promise<readonly DestinationOutcome[]> {
  if (kept !== 'these' || md5 === undefined) return [];
  const asked = lacking.map(async (destination): Promise<DestinationOutcome | undefined> => {
    try {
      const outcome = await destination.store.storeKept?.({ id, md5, sizeBytes }, { signal });
      return outcome && outcomeOf(destination, id, outcome);
    } catch (error) {
      return outcomeOfError(destination, meaningOf(error, signal), 'destination');
    }
  });
  return (await Promise.all(asked)).filter((outcome) => outcome !== undefined);
}

function outcomeOf(destination: Destination, id: InstanceIdentity['id'], outcome: StoreOutcome): DestinationOutcome {
  switch (outcome.kind) {
    case 'stored':
    case 'already-equal': {
      const kind = outcome.kind === 'stored' ? 'copied' : 'already-equal';
      return { destination, kind, ...(outcome.isKeptBeside && { isKeptBeside: true }) };
    }
    case 'conflict':
      return { destination, kind: 'conflict', error: conflictError(destination, id) };
  }
}

interface Attempt {
  readonly md5: Md5 | undefined;
  readonly sizeBytes: number | undefined;
  readonly outcomes: readonly DestinationOutcome[];
}

function resultOf(
  { id }: CopyRequest,
  { md5, sizeBytes }: Pick<Attempt, 'md5' | 'sizeBytes'>,
  outcomes: readonly DestinationOutcome[],
): CopyResult {
  return { id, md5, sizeBytes, outcomes };
}

/** One read of the source, given to all of `destinations`. */
async function readAndStore(
  request: CopyRequest,
  expected: Pick<Decision, 'md5' | 'sizeBytes' | 'absent'>,
  destinations: readonly Destination[],
  context: CopyContext,
): Promise<Attempt> {
  const { source, budget, signal } = context;
  let release: ((keptBytes?: number) => void) | undefined;
  let opened: OpenInstance | undefined;
  let identity: InstanceIdentity | undefined;
  try {
    release = await budget.acquire(weightOf(expected.sizeBytes), signal);
    opened = await source.open(request.id, { md5: expected.md5, signal });
    // Where no size is listed, most turn out to be small: sixteen of the largest would be all that run at once.
    release(weightOf(opened.sizeBytes));
    const read = await readUntilVerifiable(opened, context);
    identity = read.identity;
    const shipment = { identity, absent: expected.absent, signal };
    const outcomes =
      read.bytes === undefined
        ? await storeStreamed(opened, shipment, source.name, destinations)
        : await storeAll(destinations, shipment, () => read.bytes);
    // A destination that confirmed is done with the bytes; of one that failed nobody knows.
    if (read.bytes !== undefined && outcomes.every(isConfirmed)) budget.buffers.giveBack(read.bytes);
    return { ...read.identity, outcomes };
  } catch (error) {
    const { md5, sizeBytes } = identity ?? expected;
    return { md5, sizeBytes, outcomes: failAll(destinations, error, signal) };
  } finally {
    opened?.cancel();
    release?.();
  }
}

function isConfirmed({ kind }: DestinationOutcome): boolean {
  return kind === 'copied' || kind === 'already-equal';
}

function weightOf(sizeBytes: number | undefined): number {
  if (sizeBytes === undefined) return wholeInMemoryBytes;
  return sizeBytes <= wholeInMemoryBytes ? sizeBytes : streamedBytes;
}

/** What is given to every destination. */
interface Shipment {
  readonly identity: InstanceIdentity;
  readonly absent: ReadonlySet<Destination>;
  readonly signal: AbortSignal | undefined;
}

/** Streams a large instance; every destination lacks the last chunk until the hash of the whole is verified. */
async function storeStreamed(
  opened: OpenInstance,
  shipment: Shipment,
  sourceName: string,
  destinations: readonly Destination[],
): Promise<readonly DestinationOutcome[]> {
  const branches = new Map(destinations.map((destination) => [destination, new Branch()]));
  const pumped = pumpVerified(opened, shipment.identity, sourceName, [...branches.values()]);
  const outcomes = storeAll(
    destinations,
    shipment,
    (destination) => branches.get(destination),
    (destination) => branches.get(destination)?.close(),
  );
  const [ended] = await Promise.all([outcomes, pumped]);
  return ended;
}

async function storeAll(
  destinations: readonly Destination[],
  { identity, absent, signal }: Shipment,
  bodyFor: (destination: Destination) => InstanceBytes | undefined,
  onEnd?: (destination: Destination) => void,
): Promise<readonly DestinationOutcome[]> {
  return Promise.all(
    destinations.map(async (destination): Promise<DestinationOutcome> => {
      try {
        const body = bodyFor(destination) ?? new Uint8Array();
        const outcome = await destination.store.store(identity, body, { signal, isAbsent: absent.has(destination) });
        return outcomeOf(destination, identity.id, outcome);
      } catch (error) {
        return outcomeOfError(destination, meaningOf(error, signal), 'destination');
      } finally {
        onEnd?.(destination);
      }
    }),
  );
}

/** Every destination gets the source's error. */
function failAll(
  destinations: readonly Destination[],
  error: unknown,
  signal: AbortSignal | undefined,
): readonly DestinationOutcome[] {
  const meaning = meaningOf(error, signal);
  return destinations.map((destination) => outcomeOfError(destination, meaning, 'source'));
}

/** After an abort the reason of the abort is what counts, whatever the torn connection threw. */
function meaningOf(error: unknown, signal: AbortSignal | undefined): unknown {
  if (isMirrorError(error) || signal?.aborted !== true) return error;
  return isMirrorError(signal.reason)
    ? signal.reason
    : new MirrorError('interrupted', 'stopped before the instance was complete; run again to continue', {
        cause: error,
      });
}

function rejectSecondMismatch(outcome: DestinationOutcome): DestinationOutcome {
  if (outcome.error?.code !== 'hash-mismatch') return outcome;
  const error = new MirrorError(
    'hash-wrong',
    `${outcome.error.message}, twice: the source's file is damaged, or something between changes it. ` +
      'Repair it from a store that has the right bytes, or ask the server to verify its attachment.',
    { cause: outcome.error, advice: 'repair-archive' },
  );
  return { ...outcome, kind: 'rejected', error };
}
