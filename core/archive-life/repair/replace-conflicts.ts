/**
 * The policy `replace` for conflicts: puts the source's bytes in the place of the target's, and loses nothing that can be
 * kept.
 */
import type { CallOptions } from '../../call-options.ts';
import {
  type CopyResult,
  conflictError,
  type Destination,
  type DestinationOutcome,
  outcomeOfError,
} from '../../copy/outcome.ts';
import { identifiedBody } from '../../copy/read-verified.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { InstanceId } from '../../identifiers.ts';
import type { Limitations } from '../../sidecars/limitations.ts';
import { type StudyServer, studyServerOf } from '../../sidecars/study-server.ts';
import type { Archive } from '../../stores/archive/archive.ts';
import { verifiedBody } from '../../stores/archive/verified-body.ts';
import { isOrthancStore, type OrthancStore } from '../../stores/orthanc/orthanc-store.ts';
import type { InstanceIdentity, InventoryEntry, Store } from '../../stores/store.ts';
import type { RereadableBytes } from '../../streams/rereadable-bytes.ts';
import { replaceOnServer } from './replace-on-server.ts';

interface ReplaceFrom extends CallOptions {
  readonly source: Store;
  /** Without one nothing is replaced: there is no place to save the target's version in. */
  readonly archive: Archive | undefined;
  /** The source is a view of that archive, which therefore holds the version already. */
  readonly sourceIsArchive?: boolean | undefined;
  readonly limitations: Limitations;
}

export interface ReplaceConflictsOptions extends ReplaceFrom {
  /** Is told of each instance that was replaced, and where the version that was there is saved. */
  readonly onReplaced?:
    | ((id: InstanceId, destination: Destination, savedUnder: string | undefined) => void)
    | undefined;
}

/** What is done with what a copy came to. */
export type AfterCopy = (result: CopyResult) => Promise<CopyResult>;

/** Each target that holds other bytes gets the source's. */
export function replaceConflicts(options: ReplaceConflictsOptions): AfterCopy {
  return atConflicts((id, outcome) => replaceAt(id, outcome, options));
}

/** Gives every conflict of a result to `replace`, one after the other; the rest stays as it is. */
export function atConflicts(
  replace: (id: InstanceId, outcome: DestinationOutcome) => Promise<DestinationOutcome>,
): AfterCopy {
  return async (result) => {
    const outcomes: DestinationOutcome[] = [];
    for (const outcome of result.outcomes) {
      outcomes.push(outcome.kind === 'conflict' ? await replace(result.id, outcome) : outcome);
    }
    return { ...result, outcomes };
  };
}

async function replaceAt(
  id: InstanceId,
  { destination }: DestinationOutcome,
  options: ReplaceConflictsOptions,
): Promise<DestinationOutcome> {
  const { store } = destination;
  if (!isOrthancStore(store)) return { destination, kind: 'conflict', error: conflictError(destination, id) };
  try {
    const targetServer = await studyServerOf(store, options);
    const { kind, savedUnder } = await replaceInstance(id, { ...options, target: store, targetServer });
    if (kind === 'replaced') options.onReplaced?.(id, destination, savedUnder);
    return { destination, kind: kind === 'replaced' ? 'copied' : 'already-equal' };
  } catch (error) {
    if (isMirrorError(error) || options.signal?.aborted !== true)
      return outcomeOfError(destination, error, 'destination');
    const stopped = new MirrorError('interrupted', `stopped before instance ${id} was replaced`, { cause: error });
    return outcomeOfError(destination, stopped, 'destination');
  }
}

export interface ReplaceOptions extends ReplaceFrom {
  readonly target: OrthancStore;
  readonly targetServer: StudyServer;
  readonly now?: (() => Date) | undefined;
}

export interface Replaced {
  /** `already-equal`: the target holds the source's bytes by now. */
  readonly kind: 'replaced' | 'already-equal';
  /** Folder of the archive that keeps what was replaced. */
  readonly savedUnder: string | undefined;
}

/**
 * Replaces the target's version of an instance, when the archive has both versions; see {@link replaceOnServer}.
 *
 * Throws `conflict`, with nothing changed, if there is no archive, if one of the two does not tell the hash of its
 * version, or if `replaceOnServer` refuses; `wrong-id`, with nothing changed at the target, if that would give the source's
 * version another id; `changed-meanwhile` if the target's version changed while it was saved; and what the stores throw.
 */
export async function replaceInstance(id: InstanceId, options: ReplaceOptions): Promise<Replaced> {
  const { source, target, targetServer, archive, limitations, now, signal } = options;
  if (archive === undefined) throw refused(target, id, 'there is no archive to save its version in');
  const wanted = identityOf((await source.lookup(id, { signal }))[0], id, source.name);
  const [held] = await target.lookup(id, { signal });
  if (held !== undefined && held.md5 === undefined) {
    throw refused(target, id, 'it does not tell the hash of its version');
  }
  if (held?.md5 === wanted.md5) return { kind: 'already-equal', savedUnder: undefined };
  if (options.sourceIsArchive !== true) await ensureArchived(wanted, source, archive, signal);
  const right = archivedBytes(wanted, archive);
  if (held === undefined) {
    const outcome = await target.store(wanted, right.read(), { signal });
    if (outcome.kind === 'conflict') throw changedMeanwhile(target, id);
    return { kind: 'replaced', savedUnder: undefined };
  }
  try {
    const replace = { server: target, studyServer: targetServer, safe: archive.objects, limitations, now };
    const savedUnder = await replaceOnServer({ instance: wanted, right, held }, replace, { signal });
    return { kind: 'replaced', savedUnder };
  } catch (error) {
    // What is refused once the target's version is gone is no conflict any more: the instance is missing there.
    if (!isMirrorError(error, 'refused') || (await target.lookup(id, { signal }))[0]?.md5 !== held.md5) throw error;
    throw new MirrorError('conflict', `${error.message}; both versions are kept`, { cause: error });
  }
}

async function ensureArchived(
  wanted: InstanceIdentity,
  source: Store,
  archive: Archive,
  signal: AbortSignal | undefined,
): Promise<void> {
  if ((await archive.storeKept(wanted, { signal })) !== undefined) return;
  const opened = await source.open(wanted.id, { md5: wanted.md5, signal });
  try {
    await archive.store(wanted, identifiedBody(opened, source.name), { signal });
  } finally {
    opened.cancel();
  }
}

/**
 * The bytes of a version as the archive holds it; reading them ends normally only if they are right. Without a signal:
 * they are read when the target does not have the instance any more.
 */
function archivedBytes(wanted: InstanceIdentity, archive: Archive): RereadableBytes {
  return {
    sizeBytes: wanted.sizeBytes,
    async *read() {
      const opened = await archive.open(wanted.id, { md5: wanted.md5 });
      try {
        yield* verifiedBody(opened.body, wanted);
      } finally {
        opened.cancel();
      }
    },
    release: () => undefined,
  };
}

function identityOf(entry: InventoryEntry | undefined, id: InstanceId, name: string): InstanceIdentity {
  if (entry === undefined) throw new MirrorError('vanished', `${name} does not hold instance ${id} any more`);
  const { md5, sizeBytes } = entry;
  if (md5 !== undefined && sizeBytes !== undefined) return { id, md5, sizeBytes };
  throw new MirrorError('conflict', `${name} does not tell the hash of instance ${id}: nothing is replaced by it`);
}

function refused({ name }: Store, id: InstanceId, reason: string): MirrorError {
  return new MirrorError('conflict', `instance ${id} was not replaced on ${name}: ${reason}; both versions are kept`);
}

function changedMeanwhile({ name }: Store, id: InstanceId): MirrorError {
  return new MirrorError('changed-meanwhile', `instance ${id} was changed on ${name} while it was to be replaced`);
}
