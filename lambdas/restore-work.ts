/** What the transfer function does for a message of a restore: the same copy, from the archive to one target. */
import { targetStoreName } from '../core/config/store-names.ts';
import type { ByteBudget } from '../core/copy/byte-budget.ts';
import { copyInstance } from '../core/copy/copy-instance.ts';
import { MirrorError } from '../core/errors.ts';
import { asHalt, looksAway, whyAway } from '../core/pause/store-away.ts';
import type { RestoreMessage, RestoreStudyMessage } from '../core/queue/message.ts';
import { documentsOnServer } from '../core/restore/document-targets.ts';
import { restoreDocuments } from '../core/restore/restore-documents.ts';
import { SidecarFindings } from '../core/sidecars/sidecar-state.ts';
import type { Store } from '../core/stores/store.ts';
import { studyServerOf } from '../core/studies/study-server.ts';
import type { CloudMirror } from './deployment.ts';
import { count } from './metrics-emitter.ts';
import { log, logFinding } from './telemetry.ts';

export interface RestoreContext {
  readonly budget: ByteBudget;
  readonly signal: AbortSignal;
  /** How long a message waits for a target that is away. */
  readonly waitMs: number;
}

type Target = CloudMirror['targets'][number];

/**
 * Restores what a message names. The target is used although the mirror itself leaves it alone meanwhile. Throws the
 * MirrorError that decides what becomes of the message.
 */
export async function restoreWork(
  message: RestoreMessage | RestoreStudyMessage,
  mirror: CloudMirror,
  context: RestoreContext,
): Promise<void> {
  const name = targetStoreName(message.mirror, message.target);
  const target = mirror.targets.find(({ store }) => store.name === name);
  if (target === undefined) {
    throw new MirrorError(
      'malformed-message',
      `The mirror ${message.mirror} has no target of the name in the message.`,
    );
  }
  const error =
    message.kind === 'restore'
      ? await restoreInstance(message, mirror, target, context)
      : await restoreStudy(message, mirror, target, context);
  if (error !== undefined) {
    throw (await isAway(error, target.store)) ? asHalt(error, context.waitMs) : error;
  }
}

async function restoreInstance(
  { mirror, id, md5, sizeBytes }: RestoreMessage,
  { archive }: CloudMirror,
  { destination }: Target,
  { budget, signal }: RestoreContext,
): Promise<MirrorError | undefined> {
  const request = { id, md5, sizeBytes, lacking: [], undecided: [destination] };
  const { outcomes, sizeBytes: copiedBytes } = await copyInstance(request, { source: archive, budget, signal });
  const [outcome] = outcomes;
  const isCopied = outcome?.kind === 'copied';
  count('Restored', isCopied ? 1 : 0, { mirror });
  count('RestoredBytes', isCopied ? (copiedBytes ?? 0) : 0, { mirror });
  const { name } = destination.store;
  log('info', 'instance restored', {
    mirror,
    id,
    destination: name,
    outcome: outcome?.kind,
    code: outcome?.error?.code,
  });
  return outcome?.error;
}

async function restoreStudy(
  { mirror, id, at }: RestoreStudyMessage,
  { archive, limitations }: CloudMirror,
  { store }: Target,
  { signal }: RestoreContext,
): Promise<MirrorError | undefined> {
  const documents = documentsOnServer(await studyServerOf(store, { signal }), archive.objects, limitations);
  const { note: onFinding } = new SidecarFindings((finding) => logFinding(mirror, finding));
  const options = { at: at === undefined ? undefined : new Date(at), studies: new Set([id]), onFinding, signal };
  for await (const { kind, error, kept, lost, outdated } of restoreDocuments(archive.objects, documents, options)) {
    const counts = { kept: kept.length, lost: lost.length };
    log('info', 'study restored', {
      mirror,
      id,
      destination: store.name,
      outcome: kind,
      code: error?.code,
      ...counts,
    });
    if (error !== undefined) return error;
    if (lost.length > 0) {
      const what = `${archive.name} has lost ${lost.length} instances that the sidecar of study ${id} names`;
      return new MirrorError('source-corrupt', `${what}; mend it by \`orthanc-mirror verify --repair --source\``);
    }
    if (outdated) {
      const what = `the newest sidecar of study ${id} cannot be read: an older one was restored`;
      return new MirrorError('sidecar-damaged', `${archive.name}: ${what}`);
    }
    if (kind === 'not-held') {
      return new MirrorError('busy', `instances of study ${id} are not at the target yet; its document follows them`);
    }
  }
  return undefined;
}

async function isAway(error: MirrorError, store: Store): Promise<boolean> {
  return looksAway(error) && (await whyAway(store, {})) !== undefined;
}
