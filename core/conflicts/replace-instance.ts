/** The policy `replace`: puts the source's bytes in the place of the target's, and loses nothing that can be kept. */
import { identifiedBody } from '../copy/read-verified.ts';
import { MirrorError } from '../errors.ts';
import type { InstanceId } from '../identifiers.ts';
import type { Archive } from '../stores/archive/archive.ts';
import { verifiedBody } from '../stores/archive/verified-body.ts';
import type { OrthancStore } from '../stores/orthanc/orthanc-store.ts';
import type { CallOptions, InstanceIdentity, InventoryEntry, Store } from '../stores/store.ts';
import { applyPatientDocument, applyStudyDocument } from '../studies/apply-document.ts';
import { attachmentsOfArchive } from '../studies/attachment-source.ts';
import type { Limitations } from '../studies/limitations.ts';
import type { StudyServer } from '../studies/study-server.ts';
import { destroyedWith, reasonAgainst } from './destroyed.ts';
import { readTarget, type SavedVersion, saveReplaced } from './save-replaced.ts';

export interface ReplaceOptions extends CallOptions {
  readonly source: Store;
  readonly target: OrthancStore;
  readonly targetServer: StudyServer;
  /** Without one, nothing is ever replaced. */
  readonly archive: Archive | undefined;
  readonly limitations: Limitations;
  readonly now?: (() => Date) | undefined;
}

export interface Replaced {
  /** `already-equal`: the target holds the source's bytes by now. */
  readonly kind: 'replaced' | 'already-equal';
  /** Folder of the archive that keeps what was replaced. */
  readonly savedUnder: string | undefined;
}

/**
 * Replaces the target's version of an instance. First the archive gets both versions and the target's study and patient
 * documents with their attachments; then the target's instance is deleted, the source's is stored and proven, and what
 * users had attached to the instance, and to parents that disappeared with it, is written again.
 *
 * Lost is what REST cannot write: Orthanc's own metadata (reception date, origin, …; the saved document has it), the
 * caches of the skip list, and revisions. Interrupted after the deletion, the target lacks the instance until the next
 * comparison copies it; the saved documents stay in the archive.
 *
 * Throws `conflict`, with nothing changed, if there is no archive, or if something would be lost that could not be
 * written again: the target is read-only, transcodes, keeps no hashes, holds metadata under names without numbers on
 * what would be deleted, or hides the patient level while the study would be deleted. Throws `wrong-id`, with nothing
 * changed at the target, if that would give the source's version another id; `changed-meanwhile` if the target's version
 * changed while it was saved; and what the stores throw.
 */
export async function replaceInstance(id: InstanceId, options: ReplaceOptions): Promise<Replaced> {
  const { source, target, archive, signal } = options;
  if (archive === undefined) throw refused(target, id, 'there is no archive to save its version in');
  const wanted = identityOf((await source.lookup(id, { signal }))[0], id, source.name);
  const [entry] = await target.lookup(id, { signal });
  const held = identityIn(entry);
  if (entry !== undefined && held === undefined) throw refused(target, id, 'it does not tell the hash of its version');
  if (held?.md5 === wanted.md5) return { kind: 'already-equal', savedUnder: undefined };
  const saved = held === undefined ? undefined : await saveTarget(held, archive, options);
  await ensureArchived(wanted, source, archive, signal);
  await requireSameId(wanted, archive, target, signal);
  if (saved !== undefined) await deleteVersion(saved.instance, target, signal);
  await storeFromArchive(wanted, archive, target, signal);
  if (saved !== undefined) await writeAgain(saved, archive, options);
  return { kind: 'replaced', savedUnder: saved?.folder };
}

/** Refuses what must not be deleted, and saves the rest. */
async function saveTarget(
  held: InstanceIdentity,
  archive: Archive,
  { target, targetServer, now, signal }: ReplaceOptions,
): Promise<SavedVersion> {
  const capabilities = await target.capabilities({ signal });
  const documents = await readTarget(held.id, targetServer, { signal });
  const destroyed = destroyedWith(documents.study, held.id);
  if (destroyed === undefined) throw changedMeanwhile(target, held.id);
  const reason = reasonAgainst(destroyed, capabilities);
  if (reason !== undefined) throw refused(target, held.id, reason);
  const at = now?.() ?? new Date();
  return saveReplaced(held, { ...documents, destroyed: destroyed.ids }, { target, archive, at, signal });
}

async function ensureArchived(
  wanted: InstanceIdentity,
  source: Store,
  archive: Archive,
  signal: AbortSignal | undefined,
): Promise<void> {
  const versions = await archive.lookup(wanted.id, { signal });
  if (versions.some(({ md5, sizeBytes }) => md5 === wanted.md5 && sizeBytes === wanted.sizeBytes)) return;
  const opened = await source.open(wanted.id, { md5: wanted.md5, signal });
  try {
    await archive.store(wanted, identifiedBody(opened, source.name), { signal });
  } finally {
    opened.cancel();
  }
}

/** Before anything is deleted: the target must give the archived bytes the id that they have. */
async function requireSameId(
  { id, md5 }: InstanceIdentity,
  archive: Archive,
  target: OrthancStore,
  signal: AbortSignal | undefined,
): Promise<void> {
  const opened = await archive.open(id, { md5, signal });
  try {
    await target.requireSameId(id, opened.body, { signal });
  } finally {
    opened.cancel();
  }
}

async function deleteVersion(
  { id, md5 }: InstanceIdentity,
  target: OrthancStore,
  signal: AbortSignal | undefined,
): Promise<void> {
  const now = identityIn((await target.lookup(id, { signal }))[0]);
  if (now?.md5 !== md5) throw changedMeanwhile(target, id);
  await target.delete(id, { signal });
}

async function storeFromArchive(
  wanted: InstanceIdentity,
  archive: Archive,
  target: OrthancStore,
  signal: AbortSignal | undefined,
): Promise<void> {
  const opened = await archive.open(wanted.id, { md5: wanted.md5, signal });
  try {
    const outcome = await target.store(wanted, verifiedBody(opened.body, { ...wanted, signal }), { signal });
    if (outcome.kind === 'conflict') throw changedMeanwhile(target, wanted.id);
  } finally {
    opened.cancel();
  }
}

async function writeAgain(
  { study, patient, destroyed }: SavedVersion,
  archive: Archive,
  { targetServer, limitations, signal }: ReplaceOptions,
): Promise<void> {
  const attachments = attachmentsOfArchive(archive.objects);
  const options = { attachments, limitations, signal };
  await applyStudyDocument(study, targetServer, { ...options, only: destroyed });
  if (patient !== undefined && destroyed.has(study.id)) await applyPatientDocument(patient, targetServer, options);
}

function identityOf(entry: InventoryEntry | undefined, id: InstanceId, name: string): InstanceIdentity {
  if (entry === undefined) throw new MirrorError('vanished', `${name} does not hold instance ${id} any more`);
  const identity = identityIn(entry);
  if (identity !== undefined) return identity;
  throw new MirrorError('conflict', `${name} does not tell the hash of instance ${id}: nothing is replaced by it`);
}

function identityIn(entry: InventoryEntry | undefined): InstanceIdentity | undefined {
  if (entry?.md5 === undefined || entry.sizeBytes === undefined) return undefined;
  return { id: entry.id, md5: entry.md5, sizeBytes: entry.sizeBytes };
}

function refused({ name }: Store, id: InstanceId, reason: string): MirrorError {
  return new MirrorError('conflict', `instance ${id} was not replaced on ${name}: ${reason}; both versions are kept`);
}

function changedMeanwhile({ name }: Store, id: InstanceId): MirrorError {
  return new MirrorError('changed-meanwhile', `instance ${id} was changed on ${name} while it was to be replaced`);
}
