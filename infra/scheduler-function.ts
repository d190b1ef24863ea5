import type { Construct } from 'constructs';
import { archivePrefixOf } from '../core/config/archive-location.ts';
import { grantReadArchive, grantWriteArchive } from './archive-access.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';
import { grantReadSecrets } from './secret-access.ts';

/** The function that follows the sources: reads the servers, keeps the state, fills the queue, begins archives. */
export class SchedulerFunction extends MirrorFunction {
  constructor(scope: Construct, id: string, props: MirrorFunctionProps) {
    super(scope, id, props, { file: 'scheduler', ...props.configuration.cloud.scheduler });
    const mirrors = Object.entries(props.configuration.mirrors);
    grantReadSecrets(
      this,
      this.function,
      mirrors.flatMap(([, mirror]) => [mirror.source, ...Object.values(mirror.targets)]),
    );
    grantReadArchive(props.bucket, this.function);
    for (const [name, mirror] of mirrors) {
      const prefix = archivePrefixOf(name, mirror);
      grantWriteArchive(props.bucket, this.function, `${prefix}state/*`);
      grantWriteArchive(props.bucket, this.function, `${prefix}archive.json`);
    }
    props.queue.grantSendMessages(this.function);
  }
}
