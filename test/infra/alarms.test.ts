/** Every alarm of the stack: what makes it go off, and that neither a quiet week nor a bulk load does. */
import { describe, expect, test } from 'vitest';
import { comparedAgeSeconds, type Watched, watchComparison } from '../../core/cloud/status/comparison-age.ts';
import type { Progress } from '../../core/mirror/progress.ts';
import {
  alarmedAt,
  type DataPoint,
  type EvaluatedAlarm,
  evaluatedAlarmSchema,
  metricsOf,
  type Series,
} from '../support/cloudwatch-alarm.ts';
import { fullConfiguration, SynthesizedStack } from './synthesize.ts';

const alarms = new SynthesizedStack(fullConfiguration)
  .resources('AWS::CloudWatch::Alarm')
  .map((properties) => evaluatedAlarmSchema.parse(properties));
const hour = 60;
const day = 24 * hour;
const week = 7 * day;
const secondsPerMinute = 60;
const secondsPerDay = 86_400;

function nameOf({ AlarmDescription }: EvaluatedAlarm): string {
  return /#([a-z-]+)$/.exec(AlarmDescription)?.[1] ?? '';
}

function aboutOf({ AlarmDescription }: EvaluatedAlarm): string {
  return AlarmDescription.split(' · ')[1] ?? '';
}

/** A value each so many minutes. */
function every(minutes: number, value: (minute: number) => number | undefined, until = week): DataPoint[] {
  return Array.from({ length: Math.floor(until / minutes) }, (_, n) => n * minutes).flatMap((minute) => {
    const one = value(minute);
    return one === undefined ? [] : [{ minute, value: one }];
  });
}

const constant = (minutes: number, value: number): DataPoint[] => every(minutes, () => value);

/** How old the last comparison is, as the status function tells it every five minutes. */
function comparedAges(progressAt: (minute: number) => Progress | undefined): DataPoint[] {
  let watched: Watched | null = null;
  return every(5, (minute) => {
    const progress = progressAt(minute);
    const nowSeconds = minute * secondsPerMinute;
    watched = watchComparison(watched, progress, nowSeconds);
    return comparedAgeSeconds(watched, progress?.comparedAt ?? null, nowSeconds);
  });
}

const timeAt = (minute: number): string => new Date(minute * secondsPerMinute * 1000).toISOString();

function progressOf(comparedAt: number | null, after: number | null): Progress {
  const comparison =
    after === null
      ? null
      : {
          after: `${after}` as never,
          listed: false,
          sidecarsAfter: null,
          startedAt: timeAt(0),
          reason: 'first run',
          leftOut: [],
          unlisted: [],
        };
  const cursor = {} as Progress['cursor'];
  return {
    version: 1,
    sourceIdentity: null,
    cursor,
    comparison,
    comparedAt: comparedAt === null ? null : timeAt(comparedAt),
    unlisted: [],
  };
}

/** What the functions tell while nothing is wrong. */
const healthy: Readonly<Record<string, readonly DataPoint[]>> = {
  SourceFollowed: constant(1, 1),
  ConflictsFound: constant(1, 0),
  StatusWritten: constant(5, 1),
  Paused: constant(5, 0),
  OldestPendingSeconds: constant(5, 90),
  Damaged: constant(hour, 0),
  InboxRefused: constant(5, 0),
  RequestsUnauthorized: constant(5, 0),
  Errors: constant(1, 0),
  ApproximateNumberOfMessagesVisible: constant(1, 0),
  ApproximateAgeOfOldestMessage: constant(1, 20),
};
const quietWeek: Readonly<Record<string, readonly DataPoint[]>> = {
  ...healthy,
  // A comparison a day, which takes an hour; everything is read back in 25 days.
  ComparedAgeSeconds: comparedAges((minute) => {
    const ended = Math.floor((minute + day - hour) / day) * day - day + hour;
    return progressOf(ended, minute % day < hour ? minute : null);
  }),
  OldestUnverifiedSeconds: constant(5, 25 * secondsPerDay),
};
/** A first comparison that takes longer than a week: it announces when half of the queue is done, every three hours. */
const bulkLoad: Readonly<Record<string, readonly DataPoint[]>> = {
  ...healthy,
  ComparedAgeSeconds: comparedAges((minute) => progressOf(null, Math.floor(minute / (3 * hour)))),
  OldestUnverifiedSeconds: every(5, (minute) => minute * secondsPerMinute),
  ApproximateNumberOfMessagesVisible: constant(1, 0),
  ApproximateAgeOfOldestMessage: constant(1, 3 * hour * secondsPerMinute),
};

const seriesOf =
  (points: Readonly<Record<string, readonly DataPoint[]>>): Series =>
  (metric) =>
    points[metric] ?? [];

describe.each([
  ['a quiet week', quietWeek],
  ['a week of a first bulk load', bulkLoad],
])('%s', (_, points) => {
  test('makes no alarm go off', () => {
    const went = alarms.filter((alarm) => alarmedAt(alarm, seriesOf(points), week).length > 0);
    expect(went.map(({ AlarmDescription }) => AlarmDescription)).toEqual([]);
  });

  test('feeds every metric that an alarm looks at', () => {
    const watched = new Set(alarms.flatMap(metricsOf));
    expect([...watched].filter((metric) => (points[metric] ?? []).length === 0)).toEqual([]);
  });
});

interface Case {
  readonly alarm: string;
  /** About what, where alarms of one name differ. */
  readonly about?: string;
  readonly what: string;
  readonly points: Readonly<Record<string, readonly DataPoint[]>>;
}

/** From the hundredth hour on. */
const from = 100 * hour;
const since = (minutes: number, before: number, value: (minute: number) => number | undefined): DataPoint[] =>
  every(minutes, (minute) => (minute < from ? before : value(minute)));

const firing: readonly Case[] = [
  { alarm: 'source-not-followed', what: 'every tick fails', points: { SourceFollowed: since(1, 1, () => 0) } },
  { alarm: 'source-not-followed', what: 'no tick is made', points: { SourceFollowed: since(1, 1, () => undefined) } },
  { alarm: 'mirror-paused', what: 'a server refuses everybody', points: { Paused: since(5, 0, () => 1) } },
  {
    alarm: 'instances-pending',
    what: 'an instance is missing for longer and longer',
    points: { OldestPendingSeconds: since(5, 0, (minute) => (minute - from) * secondsPerMinute) },
  },
  { alarm: 'instances-damaged', what: 'one is damaged', points: { Damaged: since(hour, 0, () => 1) } },
  { alarm: 'conflicts', what: 'one is found', points: { ConflictsFound: since(1, 0, (m) => (m === from ? 1 : 0)) } },
  {
    alarm: 'comparison-late',
    what: 'comparisons end no more',
    points: { ComparedAgeSeconds: comparedAges((minute) => progressOf(Math.min(minute, from), minute)) },
  },
  {
    alarm: 'comparison-late',
    what: 'the first one does not go on',
    points: { ComparedAgeSeconds: comparedAges((minute) => progressOf(null, Math.min(minute, from))) },
  },
  {
    alarm: 'comparison-late',
    what: 'none ever begins',
    points: { ComparedAgeSeconds: comparedAges(() => undefined) },
  },
  {
    alarm: 'verification-late',
    what: 'a share is not read back',
    points: { OldestUnverifiedSeconds: since(5, 0, (m) => 30 * secondsPerDay + (m - from) * 2 * secondsPerDay) },
  },
  { alarm: 'status-missing', what: 'measuring fails', points: { StatusWritten: since(5, 1, () => 0) } },
  { alarm: 'status-missing', what: 'nobody measures', points: { StatusWritten: since(5, 1, () => undefined) } },
  {
    alarm: 'inbox-refused',
    what: 'one is refused',
    points: { InboxRefused: since(5, 0, (m) => (m === from ? 1 : 0)) },
  },
  {
    alarm: 'dead-letters',
    what: 'one lies there',
    points: { ApproximateNumberOfMessagesVisible: since(1, 0, () => 1) },
  },
  {
    alarm: 'failed-invocations',
    what: 'one an hour fails',
    points: { ApproximateNumberOfMessagesVisible: since(1, 0, (m) => Math.floor((m - from) / hour)) },
  },
  {
    alarm: 'queue-stuck',
    what: 'nobody works on a message',
    points: { ApproximateAgeOfOldestMessage: since(1, 0, (m) => (m - from) * secondsPerMinute) },
  },
  {
    alarm: 'webhook-unauthorized',
    what: 'a stranger calls',
    points: { RequestsUnauthorized: since(1, 0, () => 5) },
  },
  ...(
    [
      ['scheduler', 5],
      ['verifier', hour],
      ['status', 5],
      ['transfer', 1],
      ['transfer-large', 1],
      ['webhook', 1],
      ['inbox', 1],
      ['open', 1],
      ['shards', 1],
    ] as const
  ).map(([about, minutes]) => ({
    alarm: 'function-errors',
    about,
    what: 'every invocation for one mirror fails',
    points: { Errors: since(minutes, 0, () => 1) },
  })),
];

test.each(firing)('$alarm ($about) goes off within three days when $what', ({ alarm, about, points }) => {
  const meant = alarms.filter((one) => nameOf(one) === alarm && (about === undefined || aboutOf(one) === about));
  expect(meant.length).toBeGreaterThan(0);
  for (const one of meant) {
    const [first = Number.POSITIVE_INFINITY] = alarmedAt(one, seriesOf({ ...quietWeek, ...points }), week);
    expect(first).toBeLessThanOrEqual(from + 3 * day);
  }
});

test('there is no alarm of which nothing shows what makes it go off', () => {
  const shown = new Set(firing.map(({ alarm }) => alarm));
  expect([...new Set(alarms.map(nameOf))].filter((name) => !shown.has(name))).toEqual([]);
  const functions = alarms.flatMap((one) => (nameOf(one) === 'function-errors' ? [aboutOf(one)] : []));
  const shownOf = firing.flatMap(({ alarm, about }) => (alarm === 'function-errors' ? [about] : []));
  expect(new Set(functions)).toEqual(new Set(shownOf));
});

const calm: readonly Case[] = [
  {
    alarm: 'source-not-followed',
    what: 'one tick fails',
    points: { SourceFollowed: since(1, 1, (m) => (m === from ? 0 : 1)) },
  },
  {
    alarm: 'mirror-paused',
    what: 'a server restarts',
    points: { Paused: since(5, 0, (m) => (m < from + 10 ? 1 : 0)) },
  },
  { alarm: 'status-missing', what: 'one fails', points: { StatusWritten: since(5, 1, (m) => (m === from ? 0 : 1)) } },
  {
    alarm: 'function-errors',
    what: 'one invocation fails',
    points: { Errors: since(1, 0, (m) => (m === from ? 1 : 0)) },
  },
  {
    alarm: 'comparison-late',
    what: 'one comparison takes a night',
    points: { ComparedAgeSeconds: comparedAges((m) => progressOf(Math.floor(m / (1.5 * day)) * 1.5 * day, m)) },
  },
];

test.each(calm)('$alarm does not go off when $what', ({ alarm, points }) => {
  for (const one of alarms.filter((found) => nameOf(found) === alarm)) {
    expect(alarmedAt(one, seriesOf({ ...quietWeek, ...points }), week)).toEqual([]);
  }
});

test.each(['OldestPendingSeconds', 'OldestUnverifiedSeconds'])(
  '%s of one destination alone makes its alarm go off, whatever the others say',
  (metric) => {
    const watching = alarms.filter((alarm) => metricsOf(alarm).includes(metric));
    expect(watching.length).toBeGreaterThan(0);
    for (const alarm of watching) {
      const destinations = alarm.metrics.map(
        ({ dimensions }) => dimensions.find(({ Name }) => Name === 'destination')?.Value,
      );
      for (const worst of destinations) {
        const series: Series = (_, destination) =>
          destination === worst ? constant(5, 100 * secondsPerDay) : constant(5, 0);
        expect(alarmedAt(alarm, series, week).length).toBeGreaterThan(0);
      }
    }
  },
);
