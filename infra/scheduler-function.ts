import type { Construct } from 'constructs';
import { scheduledInvocations } from '../core/config/cloud-shares.ts';
import { usualFollowMinutes } from '../core/config/schema.ts';
import { allowReadArchive, allowWriteArchive } from './archive-access.ts';
import { serversOf } from './configured-servers.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';
import { allowReadSecretsOf } from './secret-access.ts';
import { allowMeasure, allowSend } from './stack-queues.ts';

/**
 * The function that follows the sources: reads the servers, keeps the state, fills the queue, begins archives. To a target
 * it writes only what a replacement that was interrupted left unwritten there.
 */
export class SchedulerFunction extends MirrorFunction {
  constructor(scope: Construct, id: string, props: MirrorFunctionProps) {
    const { configuration, archive, queues } = props;
    const { scheduler } = configuration.cloud;
    // Ticks of a source that hangs pile up until each has used up its time: those of the others find their place still.
    const mostAtOnce = Object.values(configuration.mirrors).map(({ follow }) =>
      scheduledInvocations({ ...scheduler, everyMinutes: follow.everyMinutes ?? usualFollowMinutes }),
    );
    const reservedConcurrency = mostAtOnce.reduce((sum, one) => sum + one, 0);
    super(scope, id, props, { file: 'scheduler', ...scheduler, reservedConcurrency });
    allowReadSecretsOf(this.role, serversOf(configuration));
    allowReadArchive(archive, this.role);
    allowWriteArchive(archive, this.role, 'scheduler', configuration);
    allowSend(this.role, queues.toCopy);
    allowMeasure(
      this.role,
      queues.toCopy.map(({ queue }) => queue),
    );
  }
}
