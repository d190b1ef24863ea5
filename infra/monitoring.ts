import { Aws, Duration } from 'aws-cdk-lib';
import {
  Alarm,
  ComparisonOperator,
  type IAlarmAction,
  type IMetric,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Configuration } from '../core/config/schema.ts';
import {
  type Condition,
  functionCondition,
  mirrorConditions,
  queueConditions,
  scheduledEveryMinutes,
  webhookCondition,
} from './alarm-definitions.ts';
import { MirrorDashboard } from './dashboard.ts';
import type { MirrorFunction } from './mirror-function.ts';
import { metricOf, worstOfDestinations } from './stack-metrics.ts';
import type { StackQueues } from './stack-queues.ts';

export interface MonitoringProps {
  readonly configuration: Configuration;
  readonly functions: readonly MirrorFunction[];
  readonly queues: StackQueues;
  readonly key: IKey;
}

/** Topic, alarms and dashboard. */
export class Monitoring extends Construct {
  readonly #action: IAlarmAction;
  readonly #alarms: Alarm[] = [];

  constructor(scope: Construct, id: string, props: MonitoringProps) {
    super(scope, id);
    const { configuration } = props;
    this.#action = new SnsAction(this.#topic(props));
    this.#watchMirrors(configuration);
    this.#watchQueues(props);
    this.#watchFunctions(props);
    new MirrorDashboard(this, 'Dashboard', { ...props, alarms: this.#alarms });
  }

  #topic({ configuration, key, queues: { failedInvocations } }: MonitoringProps): ITopic {
    const { topic, emails } = configuration.cloud.alarms;
    if (topic !== undefined) {
      return Topic.fromTopicArn(this, 'Topic', topic);
    }
    const made = new Topic(this, 'Topic', {
      displayName: 'Alarms of orthanc-mirror',
      masterKey: key,
      enforceSSL: true,
    });
    // A topic that enforces TLS has a policy, which replaces the one that lets its account publish.
    made.addToResourcePolicy(
      new PolicyStatement({
        sid: 'TellAlarms',
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [made.topicArn],
        conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
      }),
    );
    for (const email of emails) {
      made.addSubscription(new EmailSubscription(email, { deadLetterQueue: failedInvocations }));
    }
    return made;
  }

  #watchMirrors(configuration: Configuration): void {
    for (const [name, mirror] of Object.entries(configuration.mirrors)) {
      for (const condition of mirrorConditions(mirror, configuration)) {
        this.#watch(name, condition, worstOfDestinations(condition, name, mirror));
      }
    }
  }

  #watchQueues({ queues }: MonitoringProps): void {
    const { deadLetters, failedInvocations, oldMessages } = queueConditions;
    const full = (about: string, condition: Condition, queue: Queue | undefined): void => {
      if (queue === undefined) return;
      this.#watch(about, condition, queue.metricApproximateNumberOfMessagesVisible(windowOf(condition)));
    };
    full('transfer', deadLetters, queues.deadLetters);
    full('inbox', deadLetters, queues.inboxDeadLetters);
    full('schedules', failedInvocations, queues.failedInvocations);
    for (const { mirror, lane, queue } of [...queues.toCopy, ...queues.inbox]) {
      this.#watch(`${mirror} ${lane}`, oldMessages, queue.metricApproximateAgeOfOldestMessage(windowOf(oldMessages)));
    }
  }

  #watchFunctions({ functions, configuration }: MonitoringProps): void {
    for (const { name, fileName, function: watched } of functions) {
      const condition = functionCondition(scheduledEveryMinutes(fileName, configuration));
      this.#watch(name, condition, watched.metricErrors(windowOf(condition)));
    }
    if (configuration.cloud.webhook !== undefined) {
      const metric = metricOf(webhookCondition.metric, {}, windowOf(webhookCondition));
      this.#watch('webhook', webhookCondition, metric);
    }
  }

  /** @param about name of what is watched, such as a mirror */
  #watch(about: string, condition: Condition, metric: IMetric): void {
    const { name, severity, says, threshold, periods, when, silenceIsWrong = false } = condition;
    const alarm = new Alarm(this, `${about}-${name}`, {
      alarmDescription: `${severity} · ${about} · ${says} What to do: docs/runbook.md#${name}`,
      metric,
      threshold,
      evaluationPeriods: periods,
      comparisonOperator:
        when === 'above' ? ComparisonOperator.GREATER_THAN_THRESHOLD : ComparisonOperator.LESS_THAN_THRESHOLD,
      treatMissingData: silenceIsWrong ? TreatMissingData.BREACHING : TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(this.#action);
    alarm.addOkAction(this.#action);
    this.#alarms.push(alarm);
  }
}

function windowOf({ statistic, periodMinutes }: Condition): { statistic: string; period: Duration } {
  return { statistic, period: Duration.minutes(periodMinutes) };
}
