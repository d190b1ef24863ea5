/**
 * Puts other bytes in the place of what a server holds of an instance, whatever its overwrite mode: damaged bytes in a
 * repair, another version where somebody asked for that. There is one way to do it, which survives a kill at any moment.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { CallOptions } from '../../call-options.ts';
import { type Advice, isMirrorError, MirrorError } from '../../errors.ts';
import type { Limitations } from '../../sidecars/limitations.ts';
import { noContent, type StudySidecar, saysAnything } from '../../sidecars/sidecar.ts';
import type { StudyServer } from '../../sidecars/study-server.ts';
import type { ObjectStorage } from '../../stores/archive/object-storage.ts';
import { verifiedBody } from '../../stores/archive/verified-body.ts';
import type { OrthancStore } from '../../stores/orthanc/orthanc-store.ts';
import type { InstanceIdentity, InventoryEntry } from '../../stores/store.ts';
import { HoldingPlace } from '../../streams/holding-place.ts';
import type { RereadableBytes } from '../../streams/rereadable-bytes.ts';
import { type FinishedRepair, type KeptRepair, KeptRepairs } from '../kept-repairs.ts';
import type { PutRight } from '../verify/repair.ts';
import { type Destroyed, destroyedWith, reasonAgainst } from './destroyed.ts';
import { deliveredBy, readTarget, type SavedVersion, saveReplaced } from './save-replaced.ts';

export interface ReplaceOnServerOptions {
  readonly server: OrthancStore;
  readonly studyServer: StudyServer;
  /** An archive's storage, where what is replaced is saved. */
  readonly safe: ObjectStorage;
  readonly limitations: Limitations;
  /**
   * Replace by another version also what the server does not even deliver, so that nothing of it can be saved. Default:
   * that is refused.
   */
  readonly evenUnreadable?: boolean | undefined;
  readonly now?: (() => Date) | undefined;
}

export interface Replacement {
  /** What shall be there. */
  readonly instance: InstanceIdentity;
  /** Its bytes; they prove themselves while they are read. */
  readonly right: RereadableBytes;
  /** What the server's index says of what is there. */
  readonly held: InventoryEntry;
}

/** How often the right bytes are sent once the wrong ones are deleted, and the pauses between. */
const attempts = 4;
const pauseMs = 500;

/**
 * Replaces an instance; those of one server one after the other, because what disappears with an instance depends on
 * which others are there.
 *
 * A plain upload does not do it: with overwriting off the server answers AlreadyStored and keeps what it has; with it on
 * it drops what users attached. So the right bytes are read and proven once; what the server delivers is saved, unless
 * it is to hold that very version again; labels, metadata and attachments of all that will disappear are saved and noted
 * (see {@link KeptRepairs}); the server is asked for its hash once more; then the instance is deleted, stored, proven,
 * and what was noted is written again. Interrupted, the instance is brought back by the next comparison or repair, and
 * what was noted is finished by whoever comes next.
 *
 * @returns the folder in which the version that was replaced is saved; `undefined` if it was the same version. Throws
 * `refused`, with nothing changed, if something would be lost that could be neither saved nor written again, or the server
 * would not store the same bytes; `wrong-id` likewise, if it would give them another id; `changed-meanwhile` if the server's
 * version changed meanwhile; and what the stores throw. Lost is what REST cannot write: Orthanc's own metadata (reception
 * date, origin, …; what is saved has it), caches, revisions.
 */
export function replaceOnServer(
  replacement: Replacement,
  options: ReplaceOnServerOptions,
  call: CallOptions = {},
): Promise<string | undefined> {
  const before = turns.get(options.server) ?? Promise.resolve();
  const turn = before.then(() => replace(replacement, options, call));
  turns.set(
    options.server,
    turn.catch(() => undefined),
  );
  return turn;
}

const turns = new WeakMap<OrthancStore, Promise<unknown>>();

/** What puts right bytes in the place of damaged ones on a server: holds them first, in memory or in a nameless file. */
export function repairOnServer(options: ReplaceOnServerOptions): PutRight {
  const holding = new HoldingPlace();
  return async (instance, body, { signal }) => {
    const [held] = await options.server.lookup(instance.id, { signal });
    if (held === undefined) throw lost(options.server, instance);
    const right = await holding.hold(verifiedBody(body, { ...instance, signal }));
    try {
      return await replaceOnServer({ instance, right, held }, options, { signal });
    } finally {
      right.release();
    }
  };
}

async function replace(
  replacement: Replacement,
  options: ReplaceOnServerOptions,
  { signal }: CallOptions,
): Promise<string | undefined> {
  const { instance, right, held } = replacement;
  const { server, studyServer, safe, limitations } = options;
  await server.requireSameId(instance.id, right.read(), { signal });
  const kept = new KeptRepairs(safe, studyServer.client);
  await readThrough(right);
  // An earlier replacement of this instance may have been interrupted: its record must not be lost to this one's.
  requireFinished(await kept.finish(instance.id, { server: studyServer, limitations, signal }), replacement, server);
  const saved = await save(replacement, options, { signal });
  const [now] = await server.lookup(instance.id, { signal });
  if (now === undefined || now.md5 !== held.md5) throw lost(server, instance);
  signal?.throwIfAborted();
  // From here on to the end without a signal: stopping in between would leave the server without the instance.
  await server.delete(instance.id);
  await storeAgain(instance, right, server);
  requireFinished(await kept.finish(instance.id, { server: studyServer, limitations }), replacement, server);
  return held.md5 === instance.md5 ? undefined : saved?.folder;
}

function requireFinished(finished: FinishedRepair | undefined, { instance }: Replacement, server: OrthancStore): void {
  if (finished !== undefined && finished.kind !== 'finished') throw finished.error ?? lost(server, instance);
}

/** The right bytes may have been damaged where they lie since they were stored: that shows before anything is deleted. */
async function readThrough(right: RereadableBytes): Promise<void> {
  for await (const _ of right.read());
}

async function save(
  { instance, held }: Replacement,
  options: ReplaceOnServerOptions,
  { signal }: CallOptions,
): Promise<SavedVersion | undefined> {
  const { server, studyServer, safe, evenUnreadable = false, now } = options;
  const { id } = instance;
  const target = await readTarget(id, studyServer, { signal });
  const destroyed = destroyedWith(target.study, id);
  if (destroyed === undefined) throw lost(server, instance);
  const reason = reasonAgainst(destroyed, await server.capabilities({ signal }));
  if (reason !== undefined) throw refused(server, instance, reason);
  const isOtherVersion = held.md5 !== instance.md5;
  const delivered = isOtherVersion ? await deliveredBy(server, id, { signal }) : undefined;
  if (isOtherVersion && delivered === undefined && !evenUnreadable) {
    throw refused(server, instance, unreadable, 'replace-version');
  }
  const study = partOf(target.study, destroyed);
  const patient = destroyed.study ? target.patient : undefined;
  const saysSomething = saysAnything(study) || (patient !== undefined && saysAnything(patient));
  if (!isOtherVersion && !saysSomething) return undefined;
  const at = now?.() ?? new Date();
  const saved = await saveReplaced({ id, instance: delivered, study, patient }, { server, safe, at, signal });
  if (saved.study !== undefined && saysSomething) {
    const kept: KeptRepair = {
      version: 1,
      at: at.toISOString(),
      study: saved.study,
      ...(saved.patient && { patient: saved.patient }),
      only: [...destroyed.ids],
      ...(destroyed.fileUuid !== null && { fileUuid: destroyed.fileUuid }),
    };
    await new KeptRepairs(safe, studyServer.client).keep(id, kept, { signal });
  }
  return saved;
}

const unreadable =
  'it does not deliver what it holds, so that nothing of it can be saved, and what shall take its place is another ' +
  'version; save the file of its storage by hand, and ask for the other version to take its place';

/** The document without what stays on the server anyway. */
export function partOf(study: StudySidecar, { ids }: Pick<Destroyed, 'ids'>): StudySidecar {
  const series = study.series
    .map((one) => ({
      ...one,
      ...(!ids.has(one.id) && noContent),
      instances: one.instances.filter((instance) => ids.has(instance.id)),
    }))
    .filter(({ id, instances }) => instances.length > 0 || ids.has(id));
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
  const hint =
    'what it had was deleted and the right bytes are not stored yet; run the same again, or restore what is damaged there';
  return new MirrorError(error.code, `${error.message} (instance ${id} on ${name}: ${hint})`, {
    disposition: error.disposition,
    cause: error,
    advice: 'repair-target',
  });
}

function refused({ name }: OrthancStore, { id }: InstanceIdentity, reason: string, advice?: Advice): MirrorError {
  const what = `instance ${id} was not replaced on ${name}: ${reason}; nothing was changed`;
  return new MirrorError('refused', what, { advice });
}

function lost({ name }: OrthancStore, { id }: InstanceIdentity): MirrorError {
  return new MirrorError('changed-meanwhile', `instance ${id} was changed on ${name} while it was to be replaced`);
}
