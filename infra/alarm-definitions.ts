/** The alarms, as data. Each has a chapter of the same name in `docs/runbook.md`, which tells what to do. */

import type { FunctionName, MetricName } from '../core/cloud/metrics/metrics.ts';
import { verifyEveryMinutes } from '../core/config/cloud-shares.ts';
import { verifiedNames } from '../core/config/destination-names.ts';
import { type Configuration, type MirrorConfiguration, usualFollowMinutes } from '../core/config/schema.ts';

/** `page`: somebody must act now, copies are not made or are damaged. `ticket`: within the next working days. */
export type Severity = 'page' | 'ticket';

/** When something is wrong; what it is about is told where it is used. */
export interface Condition {
  /** Also the anchor of its chapter in the runbook. */
  readonly name: string;
  readonly severity: Severity;
  /** One sentence for whoever is woken by it. */
  readonly says: string;
  readonly statistic: 'Sum' | 'Maximum' | 'Minimum';
  readonly periodMinutes: number;
  /** Periods in a row. */
  readonly periods: number;
  /** `above` and `below` do not include the threshold. */
  readonly when: 'above' | 'below';
  readonly threshold: number;
  /** Whether it is wrong too when nothing was measured. Default: no. */
  readonly silenceIsWrong?: boolean;
}

/** A condition of a metric of each mirror. */
export interface MirrorCondition extends Condition {
  readonly metric: MetricName;
}

const secondsPerMinute = 60;
const secondsPerHour = 3600;
const secondsPerDay = 86_400;
/** What is read back a tenth of the period later is no reason to worry. */
const latestVerification = 1.1;

/** The alarms of one mirror. */
export function mirrorConditions(mirror: MirrorConfiguration, { cloud }: Configuration): MirrorCondition[] {
  const followMinutes = Math.max(15, 3 * (mirror.follow.everyMinutes ?? usualFollowMinutes));
  const statusMinutes = Math.max(15, 3 * cloud.status.everyMinutes);
  return [
    {
      name: 'source-not-followed',
      severity: 'page',
      metric: 'SourceFollowed',
      says: 'The source could not be followed, so nothing new is noticed.',
      statistic: 'Sum',
      periodMinutes: followMinutes,
      periods: 1,
      when: 'below',
      threshold: 1,
      silenceIsWrong: true,
    },
    {
      name: 'mirror-paused',
      severity: 'page',
      metric: 'Paused',
      says: 'A server refuses everybody, so that nothing is copied until it is repaired.',
      statistic: 'Minimum',
      periodMinutes: statusMinutes,
      periods: 1,
      when: 'above',
      threshold: 0,
    },
    {
      name: 'instances-pending',
      severity: 'page',
      metric: 'OldestPendingSeconds',
      says: 'An instance of the source has been missing at a destination for too long.',
      statistic: 'Maximum',
      periodMinutes: statusMinutes,
      periods: 1,
      when: 'above',
      threshold: cloud.alarms.lagMinutes * secondsPerMinute,
    },
    {
      name: 'instances-damaged',
      severity: 'page',
      metric: 'Damaged',
      says: 'Bytes that were read back are not those that were written.',
      statistic: 'Sum',
      periodMinutes: 60,
      periods: 1,
      when: 'above',
      threshold: 0,
    },
    {
      name: 'conflicts',
      severity: 'ticket',
      metric: 'ConflictsFound',
      says: 'A target holds other bytes than the source under the same id.',
      statistic: 'Sum',
      periodMinutes: 60,
      periods: 1,
      when: 'above',
      threshold: 0,
    },
    {
      name: 'comparison-late',
      severity: 'ticket',
      metric: 'ComparedAgeSeconds',
      says: 'No complete comparison ended for twice the configured time, or the first one does not go on.',
      statistic: 'Maximum',
      periodMinutes: 60,
      periods: 1,
      when: 'above',
      threshold: 2 * mirror.follow.compareEveryHours * secondsPerHour,
    },
    ...(verifiedNames(mirror).length === 0
      ? []
      : [verificationCondition(latestVerification * mirror.verify.everyDays * secondsPerDay)]),
    {
      name: 'status-missing',
      severity: 'ticket',
      metric: 'StatusWritten',
      says: 'The destinations are not measured, so that other alarms may be silent without reason.',
      statistic: 'Sum',
      periodMinutes: 2 * statusMinutes,
      periods: 1,
      when: 'below',
      threshold: 1,
      silenceIsWrong: true,
    },
    ...(cloud.inbox === undefined ? [] : [inboxCondition]),
  ];
}

function verificationCondition(threshold: number): MirrorCondition {
  return {
    name: 'verification-late',
    severity: 'ticket',
    metric: 'OldestUnverifiedSeconds',
    says: 'A share of the archive or of a target was not read back within the configured period.',
    statistic: 'Maximum',
    periodMinutes: 60,
    periods: 3,
    when: 'above',
    threshold,
  };
}

const inboxCondition: MirrorCondition = {
  name: 'inbox-refused',
  severity: 'ticket',
  metric: 'InboxRefused',
  says: 'Files that arrived in the inbox could not be taken.',
  statistic: 'Sum',
  periodMinutes: 60,
  periods: 1,
  when: 'above',
  threshold: 0,
};

/** The alarms of the queues, by queue. */
export const queueConditions = {
  deadLetters: {
    name: 'dead-letters',
    severity: 'ticket',
    says: 'Instances became dead letters because they cannot be copied.',
    statistic: 'Maximum',
    periodMinutes: 5,
    periods: 1,
    when: 'above',
    threshold: 0,
  },
  failedInvocations: {
    name: 'failed-invocations',
    severity: 'ticket',
    says: 'An invocation by a schedule failed as a whole.',
    statistic: 'Maximum',
    periodMinutes: 5,
    periods: 1,
    when: 'above',
    threshold: 20,
  },
  oldMessages: {
    name: 'queue-stuck',
    severity: 'page',
    says: 'A message has waited for a day and a half; after four days the queue forgets it.',
    statistic: 'Maximum',
    periodMinutes: 15,
    periods: 2,
    when: 'above',
    threshold: 1.5 * secondsPerDay,
  },
} as const satisfies Record<string, Condition>;

/**
 * The alarm of each function.
 * @param everyMinutes how often a schedule invokes it for a mirror at the least; `undefined`: whenever there is work
 */
export function functionCondition(everyMinutes: number | undefined): Condition {
  const common = {
    name: 'function-errors',
    severity: 'ticket',
    says: 'A function fails again and again.',
    statistic: 'Sum',
    periods: 2,
    when: 'above',
  } as const;
  if (everyMinutes === undefined) return { ...common, periodMinutes: 15, threshold: 3 };
  // Of three invocations in a row more than one fails, twice: whatever the others do, that can be seen.
  return { ...common, periodMinutes: Math.max(15, 3 * everyMinutes), threshold: 1 };
}

/** How often the schedules invoke a function for each mirror, at the least; `undefined`: no schedule does. */
export function scheduledEveryMinutes(file: FunctionName, { mirrors, cloud }: Configuration): number | undefined {
  const follow = Object.values(mirrors).map((mirror) => mirror.follow.everyMinutes ?? usualFollowMinutes);
  switch (file) {
    case 'scheduler':
      return Math.max(...follow);
    case 'verifier':
      return verifyEveryMinutes;
    case 'status':
      return cloud.status.everyMinutes;
    default:
      return undefined;
  }
}

/** The alarm of the webhook. */
export const webhookCondition: Condition & { readonly metric: MetricName } = {
  name: 'webhook-unauthorized',
  severity: 'ticket',
  metric: 'RequestsUnauthorized',
  says: 'Somebody without the right secret calls the webhook: a hook that missed a rotation, or a stranger.',
  statistic: 'Sum',
  periodMinutes: 15,
  periods: 2,
  when: 'above',
  threshold: 20,
};
