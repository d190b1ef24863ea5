import { Validations } from 'aws-cdk-lib';
import { type FunctionUrl, FunctionUrlAuthType, InvokeMode } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { CloudConfiguration } from '../core/config/cloud-schema.ts';
import { acknowledgedWithTokens } from './acknowledged-findings.ts';
import { allowReadArchive } from './archive-access.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';

/**
 * The function behind the URL at which archives are read while a server is gone. AWS lets callers through who sign their
 * requests; where they have tokens instead, the function itself checks each. It can read archives, and nothing else.
 */
export class OpenFunction extends MirrorFunction {
  readonly url: FunctionUrl;

  constructor(
    scope: Construct,
    id: string,
    props: MirrorFunctionProps,
    { maxConcurrency, memoryMiB, timeoutSeconds, oidc }: NonNullable<CloudConfiguration['open']>,
  ) {
    super(scope, id, props, { file: 'open', memoryMiB, timeoutSeconds, reservedConcurrency: maxConcurrency });
    allowReadArchive(props.archive, this.role);
    for (const [id, reason] of Object.entries(oidc === undefined ? {} : acknowledgedWithTokens)) {
      Validations.of(this).acknowledge({ id, reason });
    }
    this.url = this.function.addFunctionUrl({
      authType: oidc === undefined ? FunctionUrlAuthType.AWS_IAM : FunctionUrlAuthType.NONE,
      invokeMode: InvokeMode.RESPONSE_STREAM,
    });
  }
}
