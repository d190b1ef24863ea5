/** Estimates what a mirror costs in a month. Pure; the rates are those of `prices.ts`, the counts those of our design. */
import { type StorageClass, servicePrices, smallestMovedBytes, storagePrices } from './prices.ts';

export interface EstimateInput {
  /** Instances that the source holds at the begin. */
  readonly instances: number;
  /** Instances that arrive on a day. */
  readonly perDay: number;
  readonly averageBytes: number;
  /** Where the instances lie in the end. */
  readonly storageClass: StorageClass;
  readonly targets: number;
  /** Whether the targets are outside of AWS, so that what goes there is charged. */
  readonly targetsOutside: boolean;
  readonly mirrors: number;
  /** Minutes between two ticks. */
  readonly everyMinutes: number;
  /** Days in which everything is read back once; 0: never. */
  readonly verifyDays: number;
  /** What the link between the servers and AWS carries. */
  readonly linkMegabits: number;
}

export interface CostItem {
  readonly what: string;
  /** How much of it in a month, in `unit`. */
  readonly amount: number;
  readonly unit: string;
  readonly dollars: number;
}

export interface Estimate {
  /** Once, for what the source holds at the begin. */
  readonly begin: readonly CostItem[];
  /** In the first month after that; storage grows by what arrives. */
  readonly monthly: readonly CostItem[];
  /** To restore everything once to a server outside of AWS. */
  readonly restore: readonly CostItem[];
  readonly bulkLoad: BulkLoad;
  /** `undefined`: nothing is read back. */
  readonly verification: VerificationLoad | undefined;
}

/** How long the first copy of everything takes, by what ends it: the link, or how many instances are handled in a second. */
export interface BulkLoad {
  /** By the queue of the stack. */
  readonly stackHours: number;
  /** By `run --archive s3://…` beside the source. */
  readonly runHours: number;
  /** What the link alone takes, at four fifths of what it carries. */
  readonly linkHours: number;
  /** What the state machine costs beside the copying, if it is used, with an invocation for each study. */
  readonly shardsDollars: number;
}

/** Whether the verifier can read everything in its period. */
export interface VerificationLoad {
  readonly neededGibPerHour: number;
  readonly possibleGibPerHour: number;
  /** The shortest period that can be kept. */
  readonly leastDays: number;
}

const daysPerMonth = 30.4;
const gib = 1024 ** 3;
/** A tenth of a send; a fifth of a receive and of a delete: batches are seldom full. */
const queueRequestsPerInstance = 0.5;
/** Lambda asks each queue with five requests that wait for 20 seconds, also when nothing is there. */
const pollsPerQueueMonth = (5 * daysPerMonth * 24 * 3600) / 20;
const queuesPerMirror = 3;
/** An allowance for the transfer function: a batch of ten shares an invocation of a few seconds. */
const transferSecondsPerInstance = 0.3;
const transferGib = 1;
const tickSeconds = 1;
const tickGib = 1;
/** Bytes of log lines per instance. */
const logBytesPerInstance = 1200;
/** The look-up before a copy lists the versions of the id; what was written is proven by the answer itself. */
const listsPerInstance = 1;
/** Source of a line of S3's access log: https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html; two lines each. */
const accessLogBytesPerInstance = 1000;
/** An archive is listed, a thousand keys to a request, for the daily comparison and for the daily count. */
const keysPerListing = 1000;
/**
 * What the daily comparison takes beside that, as `bench/hospital.ts` counts it: of the sidecars two listings for each 50
 * studies and two reads for each, of each million instances the writes of its progress, and of each server reads of its ids.
 */
const instancesPerStudy = 333;
/** Begin, work and end of an execution of its own. */
const transitionsPerShard = 3;
const sidecarListingsPerStudy = 2 / 50;
const readsPerStudy = 2;
const stateWritesPerInstance = 130e-6;
const idReadsPerInstance = 550e-6;
/** Time of the scheduler for each instance, most of it waiting for the servers; and flags and progress that each tick reads. */
const comparisonSecondsPerInstance = 0.46e-3;
const readsPerTick = 2;
/** What the verifier reads of one mirror in its 15 minutes of each hour, about. */
const verifierBytesPerSecond = 76e6;
const verifierSecondsPerHour = 885;
/** A sixth of the period makes up for runs that failed. */
const verifiedPart = 5 / 6;
/**
 * Instances in a second, where the link is not the limit. `run` was measured with 144 instances of half a MiB (see the
 * README); that of the stack is an assumption: it depends on how many invocations the servers bear.
 */
const stackInstancesPerSecond = 30;
const runInstancesPerSecond = 140;
const usablePart = 0.8;
/** Alarms, metrics, secrets and keys that a stack has per mirror, about. */
const alarmsPerMirror = 13;
const metricsPerMirror = 30;
const secretsPerMirror = 2;

export function estimate(given: EstimateInput): Estimate {
  const input = { ...given, storageClass: finalClass(given) };
  const arriving = input.perDay * daysPerMonth;
  return {
    begin: copyItems(input, input.instances),
    monthly: [
      ...storageItems(input, input.instances + arriving / 2),
      ...copyItems(input, arriving),
      ...verifyItems(input),
      ...standingItems(input),
    ],
    restore: restoreItems(input),
    bulkLoad: bulkLoadOf(input),
    verification: verificationOf(input),
  };
}

function restoreItems({ instances, averageBytes, storageClass }: EstimateInput): CostItem[] {
  const price = storagePrices[storageClass];
  const gibs = (instances * averageBytes) / gib;
  const { perThousandThaws = 0, perGibThawed } = price;
  return [
    item('thawing, requests', perThousandThaws === 0 ? 0 : instances, 'requests', perThousandThaws / 1000),
    item('S3 reads', instances, 'requests', price.perThousandGets / 1000),
    item('retrieval', gibs, 'GiB', perGibThawed ?? price.perGibRetrieved),
    item('transfer out of AWS', gibs, 'GiB', servicePrices.perGibToInternet),
  ];
}

function bulkLoadOf({ instances, averageBytes, linkMegabits }: EstimateInput): BulkLoad {
  const linkHours = (instances * averageBytes * 8) / (linkMegabits * 1e6 * usablePart) / 3600;
  const hoursAt = (perSecond: number) => Math.max(linkHours, instances / perSecond / 3600);
  const transitions = (instances / instancesPerStudy) * transitionsPerShard;
  return {
    stackHours: hoursAt(stackInstancesPerSecond),
    runHours: hoursAt(runInstancesPerSecond),
    linkHours,
    shardsDollars: (transitions * servicePrices.perThousandTransitions) / 1000,
  };
}

function verificationOf(input: EstimateInput): VerificationLoad | undefined {
  const { verifyDays, mirrors } = input;
  const bytes = bytesReadBack(input);
  if (verifyDays === 0 || bytes === 0) return undefined;
  const possible = verifierBytesPerSecond * verifierSecondsPerHour * mirrors;
  const perHourOf = (days: number) => bytes / (days * verifiedPart * 24);
  return {
    neededGibPerHour: perHourOf(verifyDays) / gib,
    possibleGibPerHour: possible / gib,
    leastDays: Math.max(1, Math.ceil(perHourOf(1) / possible)),
  };
}

/** What one reading of everything reads, of the archive and of every target. */
function bytesReadBack({ instances, averageBytes, targets, storageClass }: EstimateInput): number {
  return instances * averageBytes * (targets + (storagePrices[storageClass].isReadBack ? 1 : 0));
}

/** Where instances of this size end up. */
export function finalClass({ averageBytes, storageClass }: EstimateInput): StorageClass {
  return averageBytes < smallestMovedBytes ? 'standard' : storageClass;
}

function storageItems({ averageBytes, storageClass }: EstimateInput, instances: number): CostItem[] {
  const { perGibMonth, overheadBytes = { own: 0, standard: 0 } } = storagePrices[storageClass];
  const stored = (instances * (averageBytes + overheadBytes.own)) / gib;
  const index = (instances * overheadBytes.standard) / gib;
  return [
    item(`storage, ${storageClass}`, stored, 'GiB', perGibMonth),
    item('storage, index of what is in deep-archive', index, 'GiB', storagePrices.standard.perGibMonth),
  ];
}

/** What copying instances costs, however they came. */
function copyItems(input: EstimateInput, instances: number): CostItem[] {
  const { standard, [input.storageClass]: final } = storagePrices;
  const seconds = instances * transferSecondsPerInstance * transferGib;
  const sent = input.targetsOutside ? (instances * input.averageBytes * input.targets) / gib : 0;
  return [
    item('S3 writes', instances, 'requests', standard.perThousandPuts / 1000),
    item(
      'S3 lifecycle transitions',
      final.perThousandTransitions === 0 ? 0 : instances,
      'objects',
      final.perThousandTransitions / 1000,
    ),
    item('S3 look-ups', instances * listsPerInstance, 'requests', standard.perThousandPuts / 1000),
    item('SQS', instances * queueRequestsPerInstance, 'requests', servicePrices.perMillionQueueRequests / 1e6),
    item('Lambda, transfer', seconds, 'GiB-seconds', servicePrices.perGibSecond),
    item('Lambda, invocations', instances / 10, 'invocations', servicePrices.perMillionInvocations / 1e6),
    item('logs', (instances * logBytesPerInstance) / gib, 'GiB', servicePrices.perGibOfLogs),
    item('access logs', (instances * accessLogBytesPerInstance) / gib, 'GiB', standard.perGibMonth),
    item('transfer to targets outside AWS', sent, 'GiB', servicePrices.perGibToInternet),
  ];
}

function verifyItems(input: EstimateInput): CostItem[] {
  const { instances, averageBytes, storageClass, verifyDays } = input;
  const price = storagePrices[storageClass];
  if (verifyDays === 0) return [];
  const seconds = (bytesReadBack(input) * daysPerMonth) / verifyDays / verifierBytesPerSecond;
  const compute = item('Lambda, verifier', seconds, 'GiB-seconds', servicePrices.perGibSecond);
  if (!price.isReadBack) return [compute];
  const read = (instances * daysPerMonth) / verifyDays;
  return [
    compute,
    item('verification, reads', read, 'requests', price.perThousandGets / 1000),
    item('verification, retrieval', (read * averageBytes) / gib, 'GiB', price.perGibRetrieved),
  ];
}

function standingItems({ instances, mirrors, everyMinutes, targets }: EstimateInput): CostItem[] {
  const { perThousandPuts, perThousandGets } = storagePrices.standard;
  const listings = (instances / keysPerListing) * daysPerMonth;
  const studies = (instances / instancesPerStudy) * daysPerMonth;
  const polls = mirrors * queuesPerMirror * pollsPerQueueMonth;
  const ticks = (mirrors * daysPerMonth * 24 * 60) / everyMinutes;
  const compared = instances * daysPerMonth;
  const reads = studies * readsPerStudy + compared * idReadsPerInstance * (1 + targets) + ticks * readsPerTick;
  return [
    item('Lambda, ticks', ticks * tickSeconds * tickGib, 'GiB-seconds', servicePrices.perGibSecond),
    item(
      'Lambda, comparisons',
      compared * comparisonSecondsPerInstance * tickGib,
      'GiB-seconds',
      servicePrices.perGibSecond,
    ),
    item('S3 listings, counts', listings, 'requests', perThousandPuts / 1000),
    item('S3 listings, comparisons', listings + studies * sidecarListingsPerStudy, 'requests', perThousandPuts / 1000),
    item('S3 writes, comparisons', compared * stateWritesPerInstance, 'requests', perThousandPuts / 1000),
    item('S3 reads, comparisons', reads, 'requests', perThousandGets / 1000),
    item('SQS, waiting for messages', polls, 'requests', servicePrices.perMillionQueueRequests / 1e6),
    item('schedules', ticks, 'invocations', servicePrices.perMillionSchedules / 1e6),
    item('alarms', mirrors * alarmsPerMirror, 'alarms', servicePrices.perAlarmMonth),
    item('metrics', mirrors * metricsPerMirror, 'metrics', servicePrices.perMetricMonth),
    item('secrets', mirrors * secretsPerMirror, 'secrets', servicePrices.perSecretMonth),
    item('dashboard', 1, 'dashboards', servicePrices.perDashboardMonth),
    item('KMS key', 1, 'keys', servicePrices.perKmsKeyMonth),
  ];
}

/** What S3 charges in bulk for a copy of what lies in Deep Archive, in dollars; it is there within {@link thawHours}. */
export function thawDollars({ instances, bytes }: { readonly instances: number; readonly bytes: number }): number {
  const { perThousandThaws = 0, perGibThawed = 0 } = storagePrices['deep-archive'];
  return (instances * perThousandThaws) / 1000 + (bytes / gib) * perGibThawed;
}

/** Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects-retrieval-options.html */
export const thawHours = 48;

function item(what: string, amount: number, unit: string, each: number): CostItem {
  return { what, amount, unit, dollars: amount * each };
}

/** @returns the sum of the items in dollars. */
export function totalOf(items: readonly CostItem[]): number {
  return items.reduce((sum, { dollars }) => sum + dollars, 0);
}
