import type { Construct } from 'constructs';
import { archivePrefixOf } from '../core/config/archive-location.ts';
import { allowReadArchive, allowShortRetention, allowWriteArchive } from './archive-access.ts';
import { serversOf } from './configured-servers.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';
import { allowReadSecretsOf } from './secret-access.ts';

/** The function that reads shares of archives and targets back. It changes nothing but its progress and its reports. */
export class VerifierFunction extends MirrorFunction {
  constructor(scope: Construct, id: string, props: MirrorFunctionProps) {
    const { configuration, archive } = props;
    const mirrors = Object.entries(configuration.mirrors);
    super(scope, id, props, {
      file: 'verifier',
      ...configuration.cloud.verifier,
      reservedConcurrency: mirrors.length,
    });
    allowReadSecretsOf(this.role, serversOf(configuration));
    allowReadArchive(archive, this.role);
    const written = mirrors.flatMap(([name, mirror]) => {
      const prefix = archivePrefixOf(name, mirror);
      return [`${prefix}state/verify-*`, `${prefix}reports/verify/*`];
    });
    allowWriteArchive(archive, this.role, 'WriteReports', written);
    allowShortRetention(archive, this.role, configuration.cloud, written);
  }
}
