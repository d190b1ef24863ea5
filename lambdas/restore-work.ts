/** What the transfer function does for a message of a restore: the same copy, from the archive to one target. */

import type { JobInstance, RestoreJob, RestoreJobs } from '../core/archive-life/restore/restore-job.ts';
import { restoreSidecars } from '../core/archive-life/restore/restore-sidecars.ts';
import { sidecarsOnServer } from '../core/archive-life/restore/sidecar-targets.ts';
import type { InstanceMessage, RestoreMessage, RestoreStudyMessage } from '../core/cloud/queue/message.ts';
import { targetStoreName } from '../core/config/store-names.ts';
import type { ByteBudget } from '../core/copy/byte-budget.ts';
import { copyInstance } from '../core/copy/copy-instance.ts';
import { MirrorError } from '../core/errors.ts';
import type { OrthancId } from '../core/identifiers.ts';
import { asHalt, looksAway, whyAway } from '../core/mirror/pause/store-away.ts';
import { SidecarFindings } from '../core/sidecars/sidecar-state.ts';
import { studyServerOf } from '../core/sidecars/study-server.ts';
import type { Store } from '../core/stores/store.ts';
import type { CloudMirror } from './deployment.ts';
import { count } from './metrics-emitter.ts';
import { log, logFinding } from './telemetry.ts';

/** What a message is worked on with, in one lane. */
export interface LaneContext {
  readonly signal: AbortSignal;
  /** Larger instances are not worked on here. */
  readonly largestBytes: number;
  /** Sends a message to where large instances are worked on. */
  readonly forward: (message: InstanceMessage | RestoreMessage) => Promise<void>;
}

export interface RestoreContext extends LaneContext {
  readonly budget: ByteBudget;
  /** How long a message waits for a target that is away. */
  readonly waitMs: number;
  /** The jobs of the mirror, which say what may be restored. */
  readonly jobs: RestoreJobs;
}

type Target = CloudMirror['targets'][number];

/**
 * Restores what a message names, if the job that it names says so. The target is used although the mirror itself leaves it
 * alone meanwhile. Throws the MirrorError that decides what becomes of the message.
 */
export async function restoreWork(
  message: RestoreMessage | RestoreStudyMessage,
  mirror: CloudMirror,
  context: RestoreContext,
): Promise<void> {
  if (message.kind === 'restore') {
    const { job, instance } = await context.jobs.instance(message);
    if ((instance.sizeBytes ?? 0) > context.largestBytes) return context.forward(message);
    const target = targetOf(job, mirror);
    await throwFailure(await restoreInstance(job, instance, { mirror, target }, context), target, context);
    return;
  }
  const job = await context.jobs.study(message);
  const target = targetOf(job, mirror);
  await throwFailure(await restoreStudy(job, message.id, { mirror, target }, context), target, context);
}

function targetOf({ id, mirror, target }: RestoreJob, { targets }: CloudMirror): Target {
  const name = targetStoreName(mirror, target);
  const found = targets.find(({ store }) => store.name === name);
  if (found === undefined) {
    throw new MirrorError(
      'job-refused',
      `The restore job ${id} names a target that the mirror ${mirror} does not have.`,
    );
  }
  return found;
}

async function throwFailure(
  error: MirrorError | undefined,
  { store }: Target,
  { waitMs }: RestoreContext,
): Promise<void> {
  if (error === undefined) return;
  throw (await isAway(error, store)) ? asHalt(error, waitMs) : error;
}

interface Places {
  readonly mirror: CloudMirror;
  readonly target: Target;
}

async function restoreInstance(
  { mirror }: RestoreJob,
  { id, md5, sizeBytes }: JobInstance,
  { mirror: { archive }, target: { destination } }: Places,
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
  { mirror, at }: RestoreJob,
  id: OrthancId,
  { mirror: { archive, limitations }, target: { store } }: Places,
  { signal }: RestoreContext,
): Promise<MirrorError | undefined> {
  const sidecars = sidecarsOnServer(await studyServerOf(store, { signal }), archive.objects, limitations);
  const { note: onFinding } = new SidecarFindings((finding) => logFinding(mirror, finding));
  const options = { at: at === null ? undefined : new Date(at), studies: new Set([id]), onFinding, signal };
  for await (const { kind, error, kept, lost, outdated } of restoreSidecars(archive.objects, sidecars, options)) {
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
      return new MirrorError('source-corrupt', `${what}; repair it by \`orthanc-mirror verify --repair --source\``);
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
