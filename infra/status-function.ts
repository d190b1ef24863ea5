import type { Construct } from 'constructs';
import { scheduledInvocations } from '../core/config/cloud-shares.ts';
import { allowReadArchive, allowWriteArchive } from './archive-access.ts';
import { serversOf } from './configured-servers.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';
import { allowReadSecretsOf } from './secret-access.ts';
import { allowMeasure } from './stack-queues.ts';

/** The function that measures what the destinations really hold. It changes nothing but its progress and its reports. */
export class StatusFunction extends MirrorFunction {
  constructor(scope: Construct, id: string, props: MirrorFunctionProps) {
    const { configuration, archive, queues } = props;
    const { status } = configuration.cloud;
    const reservedConcurrency = Object.keys(configuration.mirrors).length * scheduledInvocations(status);
    super(scope, id, props, { file: 'status', ...status, reservedConcurrency });
    allowReadSecretsOf(this.role, serversOf(configuration));
    allowReadArchive(archive, this.role);
    allowWriteArchive(archive, this.role, 'status', configuration);
    allowMeasure(this.role, [...queues.toCopy.map(({ queue }) => queue), queues.deadLetters]);
  }
}
