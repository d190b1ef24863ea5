import { Duration } from 'aws-cdk-lib';
import {
  type Alarm,
  AlarmStatusWidget,
  Dashboard,
  GraphWidget,
  type IMetric,
  type IWidget,
  Row,
  SingleValueWidget,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Construct } from 'constructs';
import type { MetricName } from '../core/cloud/metrics/metrics.ts';
import { destinationNames, verifiedNames } from '../core/config/destination-names.ts';
import type { Configuration, MirrorConfiguration } from '../core/config/schema.ts';
import { metricOf, type Window } from './stack-metrics.ts';
import type { StackQueues } from './stack-queues.ts';

export interface MirrorDashboardProps {
  readonly configuration: Configuration;
  readonly queues: StackQueues;
  readonly alarms: readonly Alarm[];
}

const width = 24;
const lastValue: Window = { statistic: 'Maximum', period: Duration.minutes(15) };
const sum: Window = { statistic: 'Sum', period: Duration.minutes(15) };

/** What a PACS administrator wants to know, in this order: is all there, how far behind, what needs me, what is going on. */
export class MirrorDashboard extends Construct {
  constructor(scope: Construct, id: string, { configuration, queues, alarms }: MirrorDashboardProps) {
    super(scope, id);
    const perMirror = Object.entries(configuration.mirrors).flatMap(([name, mirror]) => [
      ...rowsOf(name, mirror),
      restoreRow(name),
      ...(configuration.cloud.inbox === undefined ? [] : [inboxRow(name)]),
    ]);
    new Dashboard(this, 'Dashboard', {
      widgets: [
        [new AlarmStatusWidget({ title: 'Alarms', alarms: [...alarms], width, height: 4 })],
        ...perMirror,
        [text('## Queues\nIds that wait to be copied, and dead letters; see `docs/runbook.md#dead-letters`.')],
        [
          graph(
            'Waiting',
            [...queues.toCopy, ...queues.inbox].map(({ queue, mirror, lane }) =>
              queue.metricApproximateNumberOfMessagesVisible({ ...lastValue, label: `${mirror} ${lane}` }),
            ),
          ),
          graph(
            'Dead letters',
            [queues.deadLetters, ...(queues.inboxDeadLetters === undefined ? [] : [queues.inboxDeadLetters])].map(
              (queue) => queue.metricApproximateNumberOfMessagesVisible(lastValue),
            ),
          ),
        ],
      ],
    });
  }
}

function rowsOf(mirror: string, configuration: MirrorConfiguration): IWidget[][] {
  const destinations = destinationNames(configuration);
  const own = (name: MetricName, window: Window, label?: string): IMetric => metricOf(name, { mirror }, window, label);
  const each = (name: MetricName, prefix = ''): IMetric[] =>
    destinations.map((destination) => metricOf(name, { mirror, destination }, lastValue, `${prefix}${destination}`));
  return [
    [text(`## ${mirror}`)],
    [
      new SingleValueWidget({
        title: 'Instances',
        metrics: [own('SourceInstances', lastValue, 'source'), ...each('DestinationInstances')],
        width: width / 2,
        height: 4,
      }),
      new SingleValueWidget({
        title: 'Needs somebody',
        metrics: [
          own('Paused', lastValue, 'pauses'),
          own('Damaged', { ...sum, period: Duration.days(1) }, 'damaged today'),
          own('ConflictsFound', { ...sum, period: Duration.days(1) }, 'conflicts today'),
          own('DeadLettered', { ...sum, period: Duration.days(1) }, 'dead letters today'),
        ],
        width: width / 2,
        height: 4,
      }),
    ],
    [
      graph('How far behind (seconds)', [
        ...each('NewestPendingSeconds', 'newest, '),
        ...each('OldestPendingSeconds', 'oldest, '),
      ]),
      graph('Copied', [own('Copied', sum), own('AlreadyEqual', sum), own('Vanished', sum)]),
    ],
    [
      graph('Not copied', [own('Retried', sum), own('Rejected', sum), own('Conflicts', sum), own('Renewed', sum)]),
      graph('Bytes copied', [own('CopiedBytes', sum)]),
    ],
    [
      graph('Read back', [own('Sound', sum), own('Unverified', sum), own('Damaged', sum)]),
      graph('Longest not read back, last comparison (seconds ago)', [
        ...verifiedNames(configuration).map((destination) =>
          metricOf('OldestUnverifiedSeconds', { mirror, destination }, lastValue, destination),
        ),
        own('ComparedAgeSeconds', lastValue, 'comparison'),
      ]),
    ],
  ];
}

function restoreRow(mirror: string): IWidget[] {
  return [
    graph('Restored', [metricOf('Restored', { mirror }, sum)]),
    graph('Bytes restored', [metricOf('RestoredBytes', { mirror }, sum)]),
  ];
}

function inboxRow(mirror: string): IWidget[] {
  const own = (name: MetricName, label: string): IMetric => metricOf(name, { mirror }, sum, label);
  return [
    graph('Inbox: objects', [
      own('InboxTaken', 'done'),
      own('InboxRefused', 'refused'),
      own('InboxDelayed', 'tried again later'),
      metricOf('InboxFoundAgain', {}, sum, 'nobody told of (all mirrors)'),
    ]),
    graph('Inbox: instances', [own('InboxStored', 'stored'), own('InboxAlreadyThere', 'already there')]),
  ];
}

function graph(title: string, left: IMetric[]): GraphWidget {
  return new GraphWidget({ title, left, width: width / 2, height: 6, leftYAxis: { min: 0, showUnits: false } });
}

function text(markdown: string): Row {
  return new Row(new TextWidget({ markdown, width, height: 2 }));
}
