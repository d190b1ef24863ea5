import { Duration } from 'aws-cdk-lib';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { Schedule, ScheduleExpression, ScheduleTargetInput } from 'aws-cdk-lib/aws-scheduler';
import { LambdaInvoke } from 'aws-cdk-lib/aws-scheduler-targets';
import { Construct } from 'constructs';
import { verifyEveryMinutes } from '../core/config/cloud-shares.ts';
import { type Configuration, usualFollowMinutes } from '../core/config/schema.ts';
import { ServiceRole } from './service-role.ts';

export interface MirrorSchedulesProps {
  readonly configuration: Configuration;
  readonly scheduler: IFunction;
  readonly verifier: IFunction;
  readonly status: IFunction;
  /** Absent: there is no inbox. */
  readonly inbox: IFunction | undefined;
}

/** What S3 did not tell of within this time, it will not tell. */
const lostAfterMinutes = 15;

interface Task {
  readonly id: string;
  readonly invoked: IFunction;
  readonly everyMinutes: number;
  readonly does: string;
}

const minutesPerHour = 60;

/** The schedules of each mirror, of which what they send names the mirror and nothing else; and that of the inbox. */
export class MirrorSchedules extends Construct {
  readonly #role: ServiceRole;

  constructor(scope: Construct, id: string, props: MirrorSchedulesProps) {
    super(scope, id);
    const { configuration, scheduler, verifier, status, inbox } = props;
    this.#role = new ServiceRole(this, 'Identity', 'scheduler.amazonaws.com', { fromThisAccountOnly: true });
    const invoked = [scheduler, verifier, status, ...(inbox === undefined ? [] : [inbox])];
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
        everyMinutes: mirror.follow.everyMinutes ?? usualFollowMinutes,
        does: 'Follows the source',
      });
      this.#schedule(name, {
        id: 'Verify',
        invoked: verifier,
        everyMinutes: verifyEveryMinutes,
        does: 'Reads a share back',
      });
      this.#schedule(name, { id: 'Measure', invoked: status, everyMinutes, does: 'Measures the destinations' });
    }
    if (inbox !== undefined) {
      const input = { relist: { olderThanMinutes: lostAfterMinutes } };
      this.#invoke('Relist', 'Looks for objects of the inbox that nobody told of.', inbox, minutesPerHour, input);
    }
  }

  #schedule(mirror: string, { id, invoked, everyMinutes, does }: Task): void {
    this.#invoke(`${id}-${mirror}`, `${does} of the mirror ${mirror}.`, invoked, everyMinutes, { mirror });
  }

  #invoke(id: string, description: string, invoked: IFunction, everyMinutes: number, input: object): void {
    new Schedule(this, id, {
      description,
      schedule: ScheduleExpression.rate(Duration.minutes(everyMinutes)),
      target: new LambdaInvoke(invoked, {
        role: this.#role.role,
        input: ScheduleTargetInput.fromObject(input),
        // The next tick does the same work: an old or failed one is not worth repeating.
        maxEventAge: Duration.minutes(1),
        retryAttempts: 0,
      }),
    });
  }
}
