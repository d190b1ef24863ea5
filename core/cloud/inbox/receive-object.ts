/**
 * Takes in one object of the inbox: everything that is DICOM in it goes to target and archive, then the object moves to
 * `done/`, or to `refused/` with the reason beside it. May be repeated at any point: what is stored is not stored again,
 * and the object is removed last.
 */
import type { Destination } from '../../copy/outcome.ts';
import { MirrorError } from '../../errors.ts';
import type { Found, ImportSource } from '../../import/found.ts';
import { importFiles } from '../../import/import-files.ts';
import type { FileOutcome, ReportLine } from '../../import/report.ts';
import type { ObjectVersion, S3Versions } from '../../stores/archive/s3-versions.ts';
import type { RereadableBytes } from '../../streams/rereadable-bytes.ts';
import { doneKey, type InboxPlace, reasonKey, refusedKey } from './inbox-keys.ts';

/** Instances of one object, such as a zip, copied at once. */
const concurrency = 8;
/** An archive may hold any number of files; the reason tells of so many. */
const mostReasons = 1000;

/** What is done with the objects of the bucket. */
export type InboxBucket = Pick<S3Versions, 'sizeOf' | 'open' | 'copy' | 'writeJson' | 'remove'>;

export interface Arrival {
  readonly version: ObjectVersion;
  readonly place: InboxPlace;
}

export interface ReceiveOptions {
  readonly inbox: InboxBucket;
  readonly destinations: readonly Destination[];
  /** Nothing new is begun after this. */
  readonly deadline: AbortSignal;
}

/** What became of an object. */
export interface Reception {
  /** `vanished`: somebody removed it, or an earlier delivery of the same notification was quicker. */
  readonly kind: 'done' | 'refused' | 'vanished';
  /** The files in it. */
  readonly counts: Readonly<Partial<Record<FileOutcome, number>>>;
}

/** Throws the MirrorError that keeps the object where it is; only those that it does not cause itself. */
export async function receiveObject({ version, place }: Arrival, options: ReceiveOptions): Promise<Reception> {
  const sizeBytes = await options.inbox.sizeOf(version);
  if (sizeBytes === undefined) {
    return { kind: 'vanished', counts: {} };
  }
  const { counts, reasons } = await importObject(version, place, sizeBytes, options);
  const stored = (counts.stored ?? 0) + (counts['already-there'] ?? 0);
  if ((counts.refused ?? 0) === 0 && stored > 0) {
    await options.inbox.copy(version, doneKey(place), sizeBytes);
    await options.inbox.remove(version);
    return { kind: 'done', counts };
  }
  await refuseObject({ version, place }, { counts, files: reasons }, options.inbox);
  return { kind: 'refused', counts };
}

/** Moves an object to `refused/` with the reason beside it, if it is still there. */
export async function refuseObject({ version, place }: Arrival, reason: object, inbox: InboxBucket): Promise<void> {
  const sizeBytes = await inbox.sizeOf(version);
  if (sizeBytes === undefined) {
    return;
  }
  await inbox.writeJson(reasonKey(place), { refusedAt: new Date().toISOString(), ...reason });
  await inbox.copy(version, refusedKey(place), sizeBytes);
  await inbox.remove(version);
}

interface Imported {
  readonly counts: Readonly<Record<FileOutcome, number>>;
  /** Files that did not arrive. */
  readonly reasons: readonly ReportLine[];
}

async function importObject(
  version: ObjectVersion,
  { name }: InboxPlace,
  sizeBytes: number,
  { inbox, destinations, deadline }: ReceiveOptions,
): Promise<Imported> {
  const reasons: ReportLine[] = [];
  let failed: ReportLine | undefined;
  const { counts, stoppedBy, interrupted } = await importFiles({
    source: sourceOf(inbox, version, name, sizeBytes),
    destinations,
    concurrency,
    draining: deadline,
    onLine: (line) => {
      const isThere = line.outcome === 'stored' || line.outcome === 'already-there';
      if (!isThere && reasons.length < mostReasons) {
        reasons.push(line);
      }
      failed = line.outcome === 'failed' ? line : failed;
    },
  });
  if (stoppedBy !== undefined) {
    throw stoppedBy;
  }
  if (interrupted) {
    throw new MirrorError('deadline', 'The time of the function was over before everything in an object was stored.');
  }
  if (failed !== undefined) {
    // The reason of a line is the message of a MirrorError.
    throw new MirrorError(failed.code ?? 'server-error', failed.reason ?? 'something was not stored', {
      disposition: 'retry',
    });
  }
  return { counts, reasons };
}

/** One object as what an import walks through. */
function sourceOf(inbox: InboxBucket, version: ObjectVersion, name: string, sizeBytes: number): ImportSource {
  const found: Found = {
    at: { path: name },
    bytes: bytesOf(inbox, version, sizeBytes),
    storage: undefined,
    reference: name,
  };
  return {
    name: 'the inbox',
    async *walk() {
      yield { kind: 'file', found };
    },
    again: async () => found,
    storageFile: async () => undefined,
    close: async () => undefined,
  };
}

function bytesOf(inbox: InboxBucket, version: ObjectVersion, sizeBytes: number): RereadableBytes {
  return {
    sizeBytes,
    async *read() {
      const { body, cancel } = await inbox.open(version);
      try {
        yield* body;
      } finally {
        cancel();
      }
    },
    release() {},
  };
}
