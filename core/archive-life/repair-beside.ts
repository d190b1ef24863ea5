/** Puts right, from servers and other stores, what verifying an archive beside its instances showed. */

import type { CallOptions } from '../call-options.ts';
import type { ByteBudget } from '../copy/byte-budget.ts';
import { type Advice, isMirrorError, MirrorError } from '../errors.ts';
import { md5Of } from '../identifiers.ts';
import { archiveSidecar, withPending } from '../sidecars/archive-sidecar.ts';
import { attachmentPath, attachmentsOfServer } from '../sidecars/attachment-source.ts';
import { canonical } from '../sidecars/canonical-json.ts';
import { readPatientSidecar, readStudySidecar } from '../sidecars/read-sidecar.ts';
import { type Sidecar, type SidecarOptions, type SidecarState, sidecarHash } from '../sidecars/sidecar-state.ts';
import { openBytes } from '../sidecars/sized-bytes.ts';
import type { StudyServer } from '../sidecars/study-server.ts';
import type { Archive } from '../stores/archive/archive.ts';
import { documentBytes } from '../stores/archive/json-document.ts';
import type { Store } from '../stores/store.ts';
import { copyOverDamage, putBackIn, type RepairOutcome } from './verify/repair.ts';
import type { AttachmentName, Checked } from './verify-beside.ts';

export interface RepairBesideOptions extends SidecarOptions {
  readonly archive: Archive;
  /** The source: only it tells what a sidecar is to say. */
  readonly source: StudyServer | undefined;
  /** Servers that attachments are read from, the nearest first. */
  readonly servers: readonly StudyServer[];
  /** Where good copies of instances may be, the nearest first. */
  readonly goodCopies: readonly Store[];
  readonly budget: ByteBudget;
}

/** Puts one thing right. Throws only defects, and when the signal aborts. */
export async function repairBeside(checked: Checked, options: RepairBesideOptions): Promise<RepairOutcome> {
  try {
    switch (checked.what) {
      case 'sidecar':
        return await repairSidecar(checked.state, options);
      case 'attachment':
        return await repairAttachment(checked.place, checked.key, checked.kind === 'lost', options);
      case 'record':
        return notRepaired(
          'only the archive knew when it was: put back an earlier version of the object, or one of a copy',
        );
      case 'instance': {
        const { id, md5 } = checked.instance;
        if (md5 === null) return notRepaired(`the sidecar tells no hash of instance ${id}: mirror it again`);
        const { archive, goodCopies, budget, signal } = options;
        const putRight = putBackIn(archive, checked.namedAt);
        return await copyOverDamage(id, md5, { damaged: archive, putRight, goodCopies, budget, signal });
      }
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    if (!isMirrorError(error)) throw error;
    return { kind: 'not-repaired', error };
  }
}

/**
 * Reads a sidecar from the source again. If it is what the damaged state was, its bytes take their place. If not, the
 * archive gets what the source says now, and the damaged state is set aside: nobody knows any more what it said.
 */
async function repairSidecar(state: SidecarState, options: RepairBesideOptions): Promise<RepairOutcome> {
  const { archive, source, onFinding, signal } = options;
  const { objects } = archive;
  if (source === undefined)
    return notRepaired('only the source can tell what it said, and none is named', 'name-source');
  const document = await readAtSource(state, source, { signal });
  const wanted = await withPending(objects, document, undefined, { signal });
  const bytes = documentBytes(canonical(wanted));
  if (sidecarHash(bytes) === state.hash8) {
    const put = { sizeBytes: bytes.length, md5: md5Of(bytes), contentType: 'application/json', signal };
    await objects.supersede(state.key, bytes, put);
    return { kind: 'repaired', from: source.client.name, savedUnder: undefined };
  }
  const attachments = attachmentsOfServer(source.client);
  await archiveSidecar(objects, document, { attachments, onFinding, signal });
  await objects.setAside(state.key, { signal });
  return { kind: 'repaired', from: `${source.client.name} as it is now`, savedUnder: 'superseded/' };
}

function readAtSource({ level, id }: SidecarState, source: StudyServer, options: CallOptions): Promise<Sidecar> {
  return level === 'studies' ? readStudySidecar(source, id, options) : readPatientSidecar(source, id, options);
}

async function repairAttachment(
  place: AttachmentName,
  key: string,
  isLost: boolean,
  { archive, servers, signal }: RepairBesideOptions,
): Promise<RepairOutcome> {
  const { objects } = archive;
  let failure: MirrorError | undefined;
  for (const { client } of servers) {
    try {
      const opened = await openBytes(client, `${attachmentPath(place)}/data`, { signal });
      try {
        const put = { sizeBytes: opened.sizeBytes, md5: place.md5, signal };
        // Neither completes anything unless the bytes have the hash of the key.
        if (isLost) await objects.putOnce(key, opened.body, put);
        else await objects.supersede(key, opened.body, put);
        return { kind: 'repaired', from: client.name, savedUnder: undefined };
      } finally {
        opened.cancel();
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (!isMirrorError(error)) throw error;
      if (!isMirrorError(error, 'vanished', 'hash-mismatch')) failure = error;
    }
  }
  if (failure !== undefined) return { kind: 'not-repaired', error: failure };
  return notRepaired('no server that was named has an attachment of this hash; another one may', 'name-other-servers');
}

function notRepaired(reason: string, advice?: Advice): RepairOutcome {
  return { kind: 'not-repaired', error: new MirrorError('source-corrupt', reason, { advice }) };
}
