/** What the function of the state machine does. */
import { type Verified, verifyStore } from '../../archive-life/verify/verify.ts';
import { type FoundProblem, writeVerifyReport } from '../../archive-life/verify/verify-report.ts';
import { archivePrefixOf } from '../../config/archive-location.ts';
import type { OrthancId } from '../../identifiers.ts';
import { EveryVersion } from '../../stores/archive/every-version.ts';
import { listInstancesOf } from '../../stores/orthanc/inventory-parents.ts';
import { listStudyIds } from '../../stores/orthanc/list-study-ids.ts';
import type { CloudMirror } from '../cloud-mirror.ts';
import type { TransferObserver } from '../transfer/transfer-context.ts';
import { type TransferDeployment, transferMessages } from '../transfer/transfer-message.ts';
import type { VerifyCounts } from '../verify/verify-destinations.ts';
import {
  copyShard,
  type PlannedShards,
  planShards,
  type ShardBatch,
  type ShardCounts,
  type ShardPlan,
} from './shards.ts';

/** What became of some shards: of a copy the first two, of a verification the others. */
export type ShardReport = ShardCounts & VerifyCounts;

const nothing: ShardReport = { done: 0, left: 0, sound: 0, damaged: 0, unverified: 0 };

/** Writes the list of shards of a mirror. Throws `unknown-mirror`, and what source and archive throw. */
export async function planMirror(
  plan: ShardPlan,
  deployment: Pick<TransferDeployment, 'mirror'>,
  signal: AbortSignal,
): Promise<PlannedShards> {
  const { source, archive, configuration } = await deployment.mirror(plan.mirror);
  return planShards(plan, {
    studies: (options) => listStudyIds(source, options),
    objects: archive.objects,
    prefix: archivePrefixOf(plan.mirror, configuration),
    signal,
  });
}

export interface ShardObserver extends TransferObserver {
  /** Something of the archive is not as it should be, or could not be read. */
  onProblem(mirror: string, problem: Verified): void;
}

export interface ShardWork {
  /** When nothing more is begun. */
  readonly deadline: AbortSignal;
  /** When all must be over. */
  readonly last: AbortSignal;
  readonly observer: ShardObserver;
}

/** Works on shards one after the other. Throws what halts the mirror, and what its stores and the queue throw. */
export async function workOnShards(
  { BatchInput: { mirror }, Items: shards }: ShardBatch,
  deployment: TransferDeployment,
  work: ShardWork,
): Promise<ShardReport> {
  const opened = await deployment.mirror(mirror);
  let report = nothing;
  for (const shard of shards) {
    const did =
      'study' in shard ? await copyStudy(shard.study, opened, deployment, work) : await verifyPart(shard, opened, work);
    report = {
      done: report.done + did.done,
      left: report.left + did.left,
      sound: report.sound + did.sound,
      damaged: report.damaged + did.damaged,
      unverified: report.unverified + did.unverified,
    };
  }
  return report;
}

async function copyStudy(
  study: OrthancId,
  { name: mirror, source }: CloudMirror,
  deployment: TransferDeployment,
  { deadline, last, observer }: ShardWork,
): Promise<ShardReport> {
  const counts = await copyShard(study, {
    mirror,
    instancesOf: async (id, options) =>
      listInstancesOf({ client: source.client, capabilities: await source.capabilities(options) }, id, options),
    work: transferMessages(deployment, 'backlog', { signal: deadline, observer }),
    leave: (messages) => deployment.queue({ mirror, lane: 'backlog' }, last).send(messages),
    signal: deadline,
  });
  return { ...nothing, ...counts };
}

/** Reads a part of the archive back. Throws when the time is over: the part is read again. */
async function verifyPart(
  { n, t }: { readonly n: number; readonly t: number },
  { name: mirror, archive }: CloudMirror,
  { deadline: signal, observer }: ShardWork,
): Promise<ShardReport> {
  const counts = { sound: 0, damaged: 0, unverified: 0 };
  const problems: FoundProblem[] = [];
  for await (const verified of verifyStore(new EveryVersion(archive), { subset: { kind: 'part', n, t }, signal })) {
    if (verified.kind === 'vanished') continue;
    counts[verified.kind] += 1;
    if (verified.kind === 'sound') continue;
    observer.onProblem(mirror, verified);
    problems.push({ destination: 'archive', verified });
  }
  if (problems.length > 0) await writeVerifyReport(archive.objects, problems, new Date());
  return { ...nothing, ...counts };
}
