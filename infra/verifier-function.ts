import type { Construct } from 'constructs';
import { scheduledInvocations, verifyEveryMinutes } from '../core/config/cloud-shares.ts';
import { allowReadArchive, allowWriteArchive } from './archive-access.ts';
import { serversOf } from './configured-servers.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';
import { allowReadSecretsOf } from './secret-access.ts';

/** The function that reads shares of archives and targets back. It changes nothing but its progress and its reports. */
export class VerifierFunction extends MirrorFunction {
  constructor(scope: Construct, id: string, props: MirrorFunctionProps) {
    const { configuration, archive } = props;
    const { verifier } = configuration.cloud;
    const mostAtOnce = scheduledInvocations({ ...verifier, everyMinutes: verifyEveryMinutes });
    const reservedConcurrency = Object.keys(configuration.mirrors).length * mostAtOnce;
    super(scope, id, props, { file: 'verifier', ...verifier, reservedConcurrency });
    allowReadSecretsOf(this.role, serversOf(configuration));
    allowReadArchive(archive, this.role);
    allowWriteArchive(archive, this.role, 'verifier', configuration);
  }
}
