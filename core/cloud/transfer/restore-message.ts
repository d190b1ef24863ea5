/** What the transfer function does for a message of a restore: the same copy, from the archive to one target. */
import type { JobInstance, RestoreJob, RestoreJobs } from '../../archive-life/restore/restore-job.ts';
import { type RestoredSidecar, restoreSidecars } from '../../archive-life/restore/restore-sidecars.ts';
import { sidecarsOnServer } from '../../archive-life/restore/sidecar-targets.ts';
import { targetStoreName } from '../../config/store-names.ts';
import { copyInstance } from '../../copy/copy-instance.ts';
import { MirrorError } from '../../errors.ts';
import type { OrthancId } from '../../identifiers.ts';
import { haltIfAway } from '../../mirror/pause/store-away.ts';
import { SidecarFindings } from '../../sidecars/sidecar-state.ts';
import { studyServerOf } from '../../sidecars/study-server.ts';
import type { CloudMirror } from '../cloud-mirror.ts';
import type { RestoreMessage, RestoreStudyMessage } from '../queue/message.ts';
import type { TransferContext } from './transfer-context.ts';

type Target = CloudMirror['targets'][number];

interface Places {
  readonly mirror: CloudMirror;
  readonly target: Target;
}

/**
 * Restores what a message names, if the job that it names says so. The target is used although the mirror itself pauses it
 * meanwhile.
 * @returns the error that decides about the message, if any
 */
export async function restoreMessage(
  message: RestoreMessage | RestoreStudyMessage,
  mirror: CloudMirror,
  jobs: RestoreJobs,
  context: TransferContext,
): Promise<MirrorError | undefined> {
  if (message.kind === 'restore-study') {
    const job = await jobs.study(message);
    const target = targetOf(job, mirror);
    return blamed(await restoreStudy(job, message.id, { mirror, target }, context), target, context);
  }
  const { job, instance } = await jobs.instance(message);
  if ((instance.sizeBytes ?? 0) > context.largestBytes) {
    await context.forward(message);
    return undefined;
  }
  const target = targetOf(job, mirror);
  return blamed(await restoreInstance(instance, { mirror, target }, context), target, context);
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

/** A target that does not answer at all costs the message no try. */
function blamed(
  error: MirrorError | undefined,
  { store }: Target,
  { waitMs }: TransferContext,
): Promise<MirrorError> | undefined {
  return error === undefined ? undefined : haltIfAway(error, [store], waitMs);
}

async function restoreInstance(
  { id, md5, sizeBytes }: JobInstance,
  { mirror: { name, archive }, target: { destination } }: Places,
  { budget, signal, observer }: TransferContext,
): Promise<MirrorError | undefined> {
  const request = { id, md5, sizeBytes, lacking: [], undecided: [destination] };
  const { outcomes, sizeBytes: copiedBytes } = await copyInstance(request, { source: archive, budget, signal });
  const [outcome] = outcomes;
  if (outcome !== undefined) observer.onRestored(name, id, outcome, copiedBytes ?? 0);
  return outcome?.error;
}

async function restoreStudy(
  { at }: RestoreJob,
  id: OrthancId,
  { mirror: { name, archive, limitations }, target: { store } }: Places,
  { signal, observer }: TransferContext,
): Promise<MirrorError | undefined> {
  const sidecars = sidecarsOnServer(await studyServerOf(store, { signal }), archive.objects, limitations);
  const { note: onFinding } = new SidecarFindings((finding) => observer.onFinding(name, finding));
  const options = { at: at === null ? undefined : new Date(at), studies: new Set([id]), onFinding, signal };
  for await (const restored of restoreSidecars(archive.objects, sidecars, options)) {
    observer.onSidecarRestored(name, store.name, restored);
    const error = whatLacks(restored, archive.name);
    if (error !== undefined) return error;
  }
  return undefined;
}

/** Why the sidecar of a study is not, or not all of it, at the target. */
function whatLacks(
  { studyId, kind, error, lost, outdated }: RestoredSidecar,
  archive: string,
): MirrorError | undefined {
  if (error !== undefined) return error;
  if (lost.length > 0) {
    const what = `${archive} has lost ${lost.length} instances that the sidecar of study ${studyId} names`;
    return new MirrorError('source-corrupt', `${what}; repair the archive from its source`, {
      advice: 'repair-archive',
    });
  }
  if (outdated) {
    const what = `the newest sidecar of study ${studyId} cannot be read: an older one was restored`;
    return new MirrorError('sidecar-damaged', `${archive}: ${what}`);
  }
  if (kind === 'not-held') {
    return new MirrorError('busy', `instances of study ${studyId} are not at the target yet; its sidecar follows them`);
  }
  return undefined;
}
