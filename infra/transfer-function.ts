import type { Construct } from 'constructs';
import { allowReadArchive, allowWriteArchive } from './archive-access.ts';
import { serversOf } from './configured-servers.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';
import { allowReadSecretsOf } from './secret-access.ts';
import { allowWork, invocationsOf, largeTimeoutSeconds } from './stack-queues.ts';

/** Small instances in batches, or large ones each in an invocation of its own. */
export type InstanceSizes = 'small' | 'large';

/**
 * A function that copies instances: the same code for those of all sizes, with another time. It may add to the archive and
 * read it, but never delete from it.
 */
export class TransferFunction extends MirrorFunction {
  constructor(scope: Construct, id: string, props: MirrorFunctionProps, sizes: InstanceSizes) {
    const { configuration, archive, queues } = props;
    const { transfer } = configuration.cloud;
    const lanes = sizes === 'large' ? queues.transfer.large : [...queues.transfer.new, ...queues.transfer.backlog];
    super(scope, id, props, {
      ...transfer,
      ...(sizes === 'large' ? { name: 'transfer-large', timeoutSeconds: largeTimeoutSeconds } : {}),
      file: 'transfer',
      // No fewer than the event sources start: a message that is refused for lack of them would count as a failed try.
      reservedConcurrency: invocationsOf(lanes),
    });
    allowReadSecretsOf(this.role, serversOf(configuration));
    allowReadArchive(archive, this.role);
    allowWriteArchive(archive, this.role, 'transfer', configuration);
    // What turns out to be large is sent to its lane.
    allowWork(this.role, lanes, sizes === 'small' ? queues.transfer.large : []);
    for (const lane of lanes) lane.feed(this.function);
  }
}
