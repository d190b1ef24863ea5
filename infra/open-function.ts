import { type FunctionUrl, FunctionUrlAuthType, InvokeMode } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { CloudConfiguration } from '../core/config/cloud-schema.ts';
import { allowReadArchive } from './archive-access.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';

/**
 * The function behind the URL at which archives are read while a server is gone. AWS lets callers through who sign their
 * requests; the function can read archives, and nothing else.
 */
export class OpenFunction extends MirrorFunction {
  readonly url: FunctionUrl;

  constructor(
    scope: Construct,
    id: string,
    props: MirrorFunctionProps,
    { maxConcurrency, ...size }: NonNullable<CloudConfiguration['open']>,
  ) {
    super(scope, id, props, { file: 'open', ...size, reservedConcurrency: maxConcurrency });
    allowReadArchive(props.archive, this.role);
    this.url = this.function.addFunctionUrl({
      authType: FunctionUrlAuthType.AWS_IAM,
      invokeMode: InvokeMode.RESPONSE_STREAM,
    });
  }
}
