/** Finds out which destinations lack an instance, without reading its bytes. */
import type { InstanceId, Md5 } from '../identifiers.ts';
import type { InventoryEntry, KnownEntry, Store } from '../stores/store.ts';
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
  /** What is decided at other destinations; passed on to the result. */
  readonly decided?: readonly DestinationOutcome[];
  /** What an archive among `lacking` keeps under this id; absent: not known. */
  readonly kept?: KeptVersions | undefined;
}

/** What an archive keeps under an id: nothing at all, these very bytes, or others only. */
export type KeptVersions = 'nothing' | 'these' | 'others';

export interface Decision {
  readonly md5: Md5 | undefined;
  readonly sizeBytes: number | undefined;
  readonly lacking: readonly Destination[];
  /** Those of `lacking` that know nothing of the id: servers were asked just now, as a listing may be hours old. */
  readonly absent: ReadonlySet<Destination>;
  readonly outcomes: readonly DestinationOutcome[];
  readonly kept: KeptVersions | undefined;
}

/** How a destination stands to the bytes that the source holds; `unknown` when one of the two tells no hash. */
export type Standing = 'lacking' | 'equal' | 'conflict' | 'unknown';

/** @returns what an archive knows, among the entries of one id that it told. */
export function knownIn(entries: readonly InventoryEntry[]): KnownEntry | undefined {
  return entries.find((entry): entry is KnownEntry => 'standing' in entry);
}

/** @returns the entries that stand for something that is held. */
export function heldIn(entries: readonly InventoryEntry[]): readonly InventoryEntry[] {
  return entries.filter((entry) => !('standing' in entry) || entry.standing === 'held');
}

/** Compares what a destination told of one id with the source's hash. An archive takes other bytes as another version. */
export function standingOf(
  role: Destination['role'],
  told: readonly InventoryEntry[],
  sourceMd5: Md5 | undefined,
): Standing {
  const [held] = heldIn(told);
  if (held === undefined) return 'lacking';
  if (sourceMd5 === undefined) return 'unknown';
  if (held.md5 === sourceMd5) return 'equal';
  if (role === 'archive') return 'lacking';
  return held.md5 === undefined ? 'unknown' : 'conflict';
}

/** The same, of a destination that is to be served: an archive is also to be told that the source has what was imported. */
export function needOf(
  role: Destination['role'],
  told: readonly InventoryEntry[],
  sourceMd5: Md5 | undefined,
): Standing {
  const standing = standingOf(role, told, sourceMd5);
  return standing === 'equal' && knownIn(told)?.isForeign === true ? 'lacking' : standing;
}

/** What an archive keeps of the bytes with a hash, from what it knows of the id. */
export function whatIsKept(known: KnownEntry | undefined, md5: Md5 | undefined): KeptVersions {
  if (known === undefined) return 'nothing';
  return md5 !== undefined && known.versions.includes(md5) ? 'these' : 'others';
}

/**
 * Asks the undecided destinations what they hold, and the source for its hash only if one of them holds something.
 * A destination that cannot be asked gets its outcome; a source that cannot be asked throws.
 */
export async function decide(request: CopyRequest, source: Store, signal: AbortSignal | undefined): Promise<Decision> {
  if (request.undecided.length === 0) {
    const absent = new Set(archivesWithout(request));
    const outcomes = request.decided ?? [];
    return { ...known(request), lacking: request.lacking, absent, outcomes, kept: request.kept };
  }
  const answers = await Promise.all(request.undecided.map((destination) => ask(destination, request.id, signal)));
  const atSource = answers.some(({ told }) => told.length > 0)
    ? await askSource(request, source, signal)
    : known(request);
  const lacking = [...request.lacking];
  const absent = new Set(archivesWithout(request));
  const outcomes = [...(request.decided ?? [])];
  let { kept } = request;
  for (const { destination, told, outcome } of answers) {
    if (outcome !== undefined) {
      outcomes.push(outcome);
      continue;
    }
    if (destination.store.knownOf !== undefined) kept = whatIsKept(knownIn(told), atSource.md5);
    switch (needOf(destination.role, told, atSource.md5)) {
      case 'equal':
        outcomes.push({ destination, kind: 'already-equal' });
        break;
      case 'conflict':
        outcomes.push({ destination, kind: 'conflict', error: conflictError(destination, request.id) });
        break;
      case 'lacking':
        if (told.length === 0) absent.add(destination);
        lacking.push(destination);
        break;
      // Where no hash is known the destination decides when it has the bytes: it compares them with what it holds.
      case 'unknown':
        lacking.push(destination);
    }
  }
  return { ...atSource, lacking, absent, outcomes, kept };
}

/** The archives that were listed and know nothing of the id. */
function archivesWithout({ kept, lacking }: CopyRequest): readonly Destination[] {
  return kept === 'nothing' ? lacking.filter(({ store }) => store.knownOf !== undefined) : [];
}

function known(request: CopyRequest): { md5: Md5 | undefined; sizeBytes: number | undefined } {
  return { md5: request.md5, sizeBytes: request.sizeBytes };
}

interface Answer {
  readonly destination: Destination;
  /** What it lists of the id, or as an archive knows of it. */
  readonly told: readonly InventoryEntry[];
  readonly outcome?: DestinationOutcome;
}

async function ask(destination: Destination, id: InstanceId, signal: AbortSignal | undefined): Promise<Answer> {
  const { store } = destination;
  try {
    if (store.knownOf === undefined) return { destination, told: await store.lookup(id, { signal }) };
    const known = await store.knownOf(id, { signal });
    return { destination, told: known === undefined ? [] : [known] };
  } catch (error) {
    signal?.throwIfAborted();
    return { destination, told: [], outcome: outcomeOfError(destination, error, 'destination') };
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
