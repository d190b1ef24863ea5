/** Puts right bytes in the place of a server's damaged or lost file, whatever its overwrite mode. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Destroyed, destroyedWith, reasonAgainst } from '../conflicts/destroyed.ts';
import { readTarget, type TargetDocuments } from '../conflicts/save-replaced.ts';
import { isMirrorError, MirrorError } from '../errors.ts';
import type { RereadableBytes } from '../import/found.ts';
import { HoldingPlace } from '../import/holding-place.ts';
import type { ObjectStorage } from '../stores/archive/object-storage.ts';
import { verifiedBody } from '../stores/archive/verified-body.ts';
import type { OrthancStore } from '../stores/orthanc/orthanc-store.ts';
import type { CallOptions, InstanceBytes, InstanceIdentity } from '../stores/store.ts';
import { archiveAttachments } from '../studies/archive-document.ts';
import { attachmentsOfServer } from '../studies/attachment-source.ts';
import type { Limitations } from '../studies/limitations.ts';
import { noContent, type StudyDocument } from '../studies/study-document.ts';
import type { StudyServer } from '../studies/study-server.ts';
import type { PutRight } from '../verify/mend.ts';
import { PendingWrites } from './pending-writes.ts';

export interface ReplaceOnServerOptions {
  readonly server: OrthancStore;
  readonly studyServer: StudyServer;
  /** An archive's storage, where what users attached is kept while the instance is not on the server. */
  readonly safe: ObjectStorage;
  readonly limitations: Limitations;
}

/** How often the right bytes are sent once the wrong ones are deleted, and the pauses between. */
const attempts = 4;
const pauseMs = 500;

/**
 * Makes what mends instances of a server, one at a time: a plain upload does not (with overwriting off the server
 * answers AlreadyStored and keeps what it has; with overwriting on it drops what users attached).
 *
 * The right bytes are held and verified first, in memory or in a nameless temporary file; labels, metadata and
 * attachments of all that will disappear are kept in the archive; then the instance is deleted, stored, proven, and what
 * was kept is written again. If that is interrupted, `PendingWrites` has it.
 *
 * Throws `refused`, with nothing changed, if something would be lost that could not be written again or the server
 * would not store the same bytes; `wrong-id` likewise, if it would give them another id; and what the stores throw. Lost
 * is what REST cannot write: Orthanc's own metadata (reception date, origin, …), caches, revisions.
 */
export function replaceOnServer(options: ReplaceOnServerOptions): PutRight {
  const holding = new HoldingPlace();
  let before: Promise<unknown> = Promise.resolve();
  return (instance, body, call) => {
    // One after the other: what disappears with an instance depends on which others are there.
    const turn = before.then(() => replace(instance, body, holding, options, call));
    before = turn.catch(() => undefined);
    return turn;
  };
}

async function replace(
  instance: InstanceIdentity,
  body: InstanceBytes,
  holding: HoldingPlace,
  options: ReplaceOnServerOptions,
  { signal }: CallOptions,
): Promise<void> {
  const { server, studyServer, safe, limitations } = options;
  const right = await holding.hold(verifiedBody(body, { ...instance, signal }));
  try {
    await server.requireSameId(instance.id, right.read(), { signal });
    const pending = new PendingWrites(safe, server.name);
    const documents = await readTarget(instance.id, studyServer, { signal });
    await keep(instance, documents, pending, options, { signal });
    // From here on to the end without a signal: stopping in between would leave the server without the instance.
    await server.delete(instance.id);
    await storeAgain(instance, right, server);
    await pending.finish(instance.id, { server: studyServer, limitations });
  } finally {
    right.release();
  }
}

async function keep(
  { id }: InstanceIdentity,
  { study, patient }: TargetDocuments,
  pending: PendingWrites,
  { server, safe }: ReplaceOnServerOptions,
  call: CallOptions,
): Promise<void> {
  const destroyed = destroyedWith(study, id);
  if (destroyed === undefined)
    throw new MirrorError('changed-meanwhile', `${server.name} lost instance ${id} meanwhile`);
  const reason = reasonAgainst(destroyed, await server.capabilities(call));
  if (reason !== undefined) throw new MirrorError('refused', `${server.name} cannot be mended: ${reason}`);
  const part = partOf(study, destroyed);
  const patientPart = destroyed.study ? patient : undefined;
  const attachments = attachmentsOfServer(server.client);
  for (const document of [part, patientPart]) {
    if (document !== undefined) await archiveAttachments(safe, document, { attachments, ...call });
  }
  const only = [...destroyed.ids];
  await pending.keep(id, { version: 1, study: part, ...(patientPart && { patient: patientPart }), only }, call);
}

/** The document without what stays on the server anyway. */
export function partOf(study: StudyDocument, { ids }: Pick<Destroyed, 'ids'>): StudyDocument {
  const series = study.series
    .map((one) => ({
      ...one,
      ...(!ids.has(one.id) && noContent),
      instances: one.instances.filter((instance) => ids.has(instance.id)),
    }))
    .filter(({ instances }) => instances.length > 0);
  return { ...study, ...(!ids.has(study.id) && noContent), series };
}

async function storeAgain(instance: InstanceIdentity, right: RereadableBytes, server: OrthancStore): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const outcome = await server.store(instance, right.read());
      if (outcome.kind !== 'conflict') return;
      throw new MirrorError('changed-meanwhile', `somebody else stored instance ${instance.id} on ${server.name}`);
    } catch (error) {
      if (!isMirrorError(error)) throw error;
      if (error.disposition !== 'retry' || attempt === attempts) throw notStored(instance, server, error);
      await delay(pauseMs * 2 ** (attempt - 1));
    }
  }
}

function notStored({ id }: InstanceIdentity, { name }: OrthancStore, error: MirrorError): MirrorError {
  const hint = 'its damaged file is deleted and the right one is not stored yet; run `restore --repair` again';
  return new MirrorError(error.code, `${error.message} (instance ${id} on ${name}: ${hint})`, {
    disposition: error.disposition,
    cause: error,
  });
}
