import type { Construct } from 'constructs';
import { allowReadArchive, allowWriteArchive } from './archive-access.ts';
import { serversOf } from './configured-servers.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';
import { allowReadSecretsOf } from './secret-access.ts';
import { allowWork, invocationsOf } from './stack-queues.ts';

/** The function that copies instances. It may add to the archive and read it, but never delete from it. */
export class TransferFunction extends MirrorFunction {
  constructor(scope: Construct, id: string, props: MirrorFunctionProps) {
    const { configuration, archive, queues } = props;
    const { transfer } = configuration.cloud;
    // No fewer than the event sources start: a message that is refused for lack of them would count as a failed try.
    super(scope, id, props, { file: 'transfer', ...transfer, reservedConcurrency: invocationsOf(queues.transfer) });
    allowReadSecretsOf(this.role, serversOf(configuration));
    allowReadArchive(archive, this.role);
    allowWriteArchive(archive, this.role, 'transfer', configuration);
    allowWork(this.role, queues.transfer);
    for (const lane of queues.transfer) lane.feed(this.function);
  }
}
