/** What the function of the state machine does. */
import { verifyStore } from '../core/archive-life/verify/verify.ts';
import { type FoundProblem, writeVerifyReport } from '../core/archive-life/verify/verify-report.ts';
import { copyShard, type PlannedShards, planShards, type ShardEvent, type ShardPlan } from '../core/cloud/shards/shards.ts';
import { archivePrefixOf } from '../core/config/archive-location.ts';
import type { OrthancId } from '../core/identifiers.ts';
import { EveryVersion } from '../core/stores/archive/every-version.ts';
import { listInstancesOf } from '../core/stores/orthanc/inventory-studies.ts';
import { listStudyIds } from '../core/stores/orthanc/list-study-ids.ts';
import type { CloudMirror, Deployment } from './deployment.ts';
import { count } from './metrics-emitter.ts';
import { log } from './telemetry.ts';
import { transferWork } from './transfer-work.ts';

/** What became of some shards: of a copy `done` and `left`, of a verification the others. */
export interface ShardReport {
  readonly done: number;
  readonly left: number;
  readonly sound: number;
  readonly damaged: number;
  readonly unverified: number;
}

const nothing: ShardReport = { done: 0, left: 0, sound: 0, damaged: 0, unverified: 0 };

/** Throws `unknown-mirror`, and what source and archive throw. */
export async function planOf(plan: ShardPlan, deployment: Deployment, signal: AbortSignal): Promise<PlannedShards> {
  const { source, archive, configuration } = await deployment.mirror(plan.mirror);
  return planShards(plan, {
    studies: (options) => listStudyIds(source, options),
    objects: archive.objects,
    prefix: archivePrefixOf(plan.mirror, configuration),
    signal,
  });
}

export interface ShardTimes {
  /** When nothing more is begun. */
  readonly deadline: AbortSignal;
  /** When all must be over. */
  readonly last: AbortSignal;
}

/** Works on shards one after the other. Throws what halts the mirror, and what its stores and the queue throw. */
export async function workOnShards(
  { BatchInput: { mirror, work }, Items }: Extract<ShardEvent, { BatchInput: unknown }>,
  deployment: Deployment,
  times: ShardTimes,
): Promise<ShardReport> {
  const open = await deployment.mirror(mirror);
  let report = nothing;
  for (const shard of Items) {
    const did =
      'study' in shard
        ? await copyStudy(shard.study, { mirror, open, deployment, times })
        : await verifyPart(shard, mirror, open, times.deadline);
    report = added(report, did);
  }
  count('LeftToQueue', report.left, { mirror });
  log('info', 'shards done', { mirror, work, ...report });
  return report;
}

async function copyStudy(
  study: OrthancId,
  {
    mirror,
    open: { source },
    deployment,
    times: { deadline, last },
  }: { readonly mirror: string; readonly open: CloudMirror; readonly deployment: Deployment; readonly times: ShardTimes },
): Promise<Partial<ShardReport>> {
  return copyShard(study, {
    mirror,
    instancesOf: async (id, options) =>
      listInstancesOf({ client: source.client, capabilities: await source.capabilities(options) }, id, options),
    work: transferWork(deployment, 'backlog', deadline),
    leave: (messages) => deployment.queue({ mirror, lane: 'backlog' }, last).send(messages),
    signal: deadline,
  });
}

/** Reads a part of the archive back. Throws when the time is over: the part is read again. */
async function verifyPart(
  { n, t }: { readonly n: number; readonly t: number },
  mirror: string,
  { archive }: CloudMirror,
  signal: AbortSignal,
): Promise<Partial<ShardReport>> {
  const counts = { sound: 0, damaged: 0, unverified: 0 };
  const problems: FoundProblem[] = [];
  for await (const verified of verifyStore(new EveryVersion(archive), { subset: { kind: 'part', n, t }, signal })) {
    if (verified.kind === 'vanished') continue;
    counts[verified.kind] += 1;
    if (verified.kind === 'sound') continue;
    log('error', 'read back', { mirror, destination: 'archive', id: verified.id, outcome: verified.kind });
    problems.push({ destination: 'archive', verified });
  }
  if (problems.length > 0) await writeVerifyReport(archive.objects, problems, new Date());
  count('Sound', counts.sound, { mirror });
  count('Damaged', counts.damaged, { mirror });
  count('Unverified', counts.unverified, { mirror });
  return counts;
}

function added(report: ShardReport, did: Partial<ShardReport>): ShardReport {
  return {
    done: report.done + (did.done ?? 0),
    left: report.left + (did.left ?? 0),
    sound: report.sound + (did.sound ?? 0),
    damaged: report.damaged + (did.damaged ?? 0),
    unverified: report.unverified + (did.unverified ?? 0),
  };
}
