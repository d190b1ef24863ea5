import type { Construct } from 'constructs';
import { archivePrefixOf } from '../core/config/archive-location.ts';
import { allowReadArchive, allowWriteArchive } from './archive-access.ts';
import { serversOf } from './configured-servers.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';
import { allowReadSecretsOf } from './secret-access.ts';

/**
 * The function that follows the sources: reads the servers, keeps the state, fills the queue, begins archives. To a target
 * it writes only what a replacement that was interrupted left unwritten there.
 */
export class SchedulerFunction extends MirrorFunction {
  constructor(scope: Construct, id: string, props: MirrorFunctionProps) {
    const { configuration, archive, queue } = props;
    const mirrors = Object.entries(configuration.mirrors);
    super(scope, id, props, {
      file: 'scheduler',
      ...configuration.cloud.scheduler,
      // A comparison may take longer than the time between two ticks; the lease lets only one work.
      reservedConcurrency: 2 * mirrors.length,
    });
    allowReadSecretsOf(this.role, serversOf(configuration));
    allowReadArchive(archive, this.role);
    const written = mirrors.flatMap(([name, mirror]) => {
      const prefix = archivePrefixOf(name, mirror);
      return [`${prefix}state/*`, `${prefix}removals/*`, `${prefix}archive.json`];
    });
    allowWriteArchive(archive, this.role, 'WriteState', written);
    this.role.allow('SendMessages', ['sqs:SendMessage'], [queue.queueArn]);
  }
}
