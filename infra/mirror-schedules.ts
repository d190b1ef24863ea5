import { Duration } from 'aws-cdk-lib';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import { Construct } from 'constructs';
import type { Configuration } from '../core/config/schema.ts';
import { ServiceRole } from './service-role.ts';

export interface MirrorSchedulesProps {
  readonly configuration: Configuration;
  readonly scheduler: IFunction;
  readonly verifier: IFunction;
  readonly status: IFunction;
}

interface Task {
  readonly id: string;
  readonly invoked: IFunction;
  readonly everyMinutes: number;
  readonly does: string;
}

const minutesPerHour = 60;

/** The schedules of each mirror; what they send names the mirror and nothing else. */
export class MirrorSchedules extends Construct {
  readonly #role: ServiceRole;

  constructor(scope: Construct, id: string, { configuration, scheduler, verifier, status }: MirrorSchedulesProps) {
    super(scope, id);
    this.#role = new ServiceRole(this, 'Identity', 'scheduler.amazonaws.com', { fromThisAccountOnly: true });
    const invoked = [scheduler, verifier, status];
    this.#role.allow(
      'InvokeFunctions',
      ['lambda:InvokeFunction'],
      invoked.map(({ functionArn }) => functionArn),
    );
    for (const [name, mirror] of Object.entries(configuration.mirrors)) {
      const { everyMinutes } = configuration.cloud.status;
      this.#schedule(name, {
        id: 'Follow',
        invoked: scheduler,
        everyMinutes: mirror.follow.everyMinutes,
        does: 'Follows the source',
      });
      this.#schedule(name, {
        id: 'Verify',
        invoked: verifier,
        everyMinutes: minutesPerHour,
        does: 'Reads a share back',
      });
      this.#schedule(name, { id: 'Measure', invoked: status, everyMinutes, does: 'Measures the destinations' });
    }
  }

  #schedule(mirrorName: string, { id, invoked, everyMinutes, does }: Task): void {
    new Schedule(this, `${id}-${mirrorName}`, {
      description: `${does} of the mirror ${mirrorName}.`,
      schedule: ScheduleExpression.rate(Duration.minutes(everyMinutes)),
      target: new LambdaInvoke(invoked, {
        role: this.#role.role,
        input: ScheduleTargetInput.fromObject({ mirror: mirrorName }),
        // The next tick does the same work: an old or failed one is not worth repeating.
        maxEventAge: Duration.minutes(1),
        retryAttempts: 0,
      }),
    });
  }
}
