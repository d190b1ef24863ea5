import { Duration } from 'aws-cdk-lib';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import { Construct } from 'constructs';
import type { MirrorConfiguration } from '../core/config/schema.ts';

export interface MirrorSchedulesProps {
  readonly mirrors: Readonly<Record<string, MirrorConfiguration>>;
  readonly scheduler: IFunction;
}

/** One schedule per mirror; what it sends names the mirror and nothing else. */
export class MirrorSchedules extends Construct {
  constructor(scope: Construct, id: string, { mirrors, scheduler }: MirrorSchedulesProps) {
    super(scope, id);
    for (const [name, mirror] of Object.entries(mirrors)) {
      new Schedule(this, name, {
        description: `Follows the source of the mirror ${name}.`,
        schedule: ScheduleExpression.rate(Duration.minutes(mirror.follow.everyMinutes)),
        target: new LambdaInvoke(scheduler, {
          input: ScheduleTargetInput.fromObject({ mirror: name }),
          // The next tick does the same work: an old or failed one is not worth repeating.
          maxEventAge: Duration.minutes(1),
          retryAttempts: 0,
        }),
      });
    }
  }
}
