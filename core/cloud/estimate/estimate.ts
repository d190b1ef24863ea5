/** Reckons what a mirror costs in a month. Pure; the rates are those of `prices.ts`, the counts those of our design. */
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
  /** Days in which the archive is read back once; 0: never. */
  readonly verifyDays: number;
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
}

const daysPerMonth = 30.4;
const gib = 1024 ** 3;
/** Send, a tenth of a receive and of a delete (batches of ten), and as much again for what comes back. */
const queueRequestsPerInstance = 1.4;
/** An allowance for the transfer function: a batch of ten shares an invocation of a few seconds. */
const transferSecondsPerInstance = 0.3;
const transferGib = 1;
const tickSeconds = 1;
const tickGib = 1;
/** Bytes of log lines per instance. */
const logBytesPerInstance = 1200;
/** A look-up before the copy, the proof after it. */
const getsPerInstance = 2;
/** Alarms, metrics, secrets and keys that a stack has per mirror, about. */
const alarmsPerMirror = 15;
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
  };
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
    item('S3 reads', instances * getsPerInstance, 'requests', standard.perThousandGets / 1000),
    item('SQS', instances * queueRequestsPerInstance, 'requests', servicePrices.perMillionQueueRequests / 1e6),
    item('Lambda, transfer', seconds, 'GiB-seconds', servicePrices.perGibSecond),
    item('Lambda, invocations', instances / 10, 'invocations', servicePrices.perMillionInvocations / 1e6),
    item('logs', (instances * logBytesPerInstance) / gib, 'GiB', servicePrices.perGibOfLogs),
    item('transfer to targets outside AWS', sent, 'GiB', servicePrices.perGibToInternet),
  ];
}

function verifyItems({ instances, averageBytes, storageClass, verifyDays }: EstimateInput): CostItem[] {
  const price = storagePrices[storageClass];
  if (verifyDays === 0 || !price.isReadBack) return [];
  const read = (instances * daysPerMonth) / verifyDays;
  return [
    item('verification, reads', read, 'requests', price.perThousandGets / 1000),
    item('verification, retrieval', (read * averageBytes) / gib, 'GiB', price.perGibRetrieved),
  ];
}

function standingItems({ mirrors, everyMinutes }: EstimateInput): CostItem[] {
  const ticks = (mirrors * daysPerMonth * 24 * 60) / everyMinutes;
  return [
    item('Lambda, ticks', ticks * tickSeconds * tickGib, 'GiB-seconds', servicePrices.perGibSecond),
    item('schedules', ticks, 'invocations', servicePrices.perMillionSchedules / 1e6),
    item('alarms', mirrors * alarmsPerMirror, 'alarms', servicePrices.perAlarmMonth),
    item('metrics', mirrors * metricsPerMirror, 'metrics', servicePrices.perMetricMonth),
    item('secrets', mirrors * secretsPerMirror, 'secrets', servicePrices.perSecretMonth),
    item('dashboard', 1, 'dashboards', servicePrices.perDashboardMonth),
    item('KMS key', 1, 'keys', servicePrices.perKmsKeyMonth),
  ];
}

function item(what: string, amount: number, unit: string, each: number): CostItem {
  return { what, amount, unit, dollars: amount * each };
}

/** @returns the sum of the items in dollars. */
export function totalOf(items: readonly CostItem[]): number {
  return items.reduce((sum, { dollars }) => sum + dollars, 0);
}
