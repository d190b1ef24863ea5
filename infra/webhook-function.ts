import { type FunctionUrl, FunctionUrlAuthType } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import type { CloudConfiguration } from '../core/config/cloud-schema.ts';
import { webhookSecretsOf } from '../core/config/cloud-security-schema.ts';
import { MirrorFunction, type MirrorFunctionProps } from './mirror-function.ts';
import { allowReadSecrets } from './secret-access.ts';
import { allowSend } from './stack-queues.ts';

const memoryMiB = 512;
/** The hooks do not wait longer either. */
const timeoutSeconds = 10;

/**
 * The function behind the URL to which the hooks announce. It knows them by a secret in a header, or lets AWS know them,
 * sees neither servers nor archives, and can only put ids on the queue.
 */
export class WebhookFunction extends MirrorFunction {
  readonly url: FunctionUrl;

  constructor(
    scope: Construct,
    id: string,
    props: MirrorFunctionProps,
    webhook: NonNullable<CloudConfiguration['webhook']>,
  ) {
    const reservedConcurrency = webhook.maxConcurrency;
    super(scope, id, props, { file: 'webhook', memoryMiB, timeoutSeconds, reservedConcurrency });
    allowReadSecrets(this.role, 'ReadWebhookSecrets', webhookSecretsOf(webhook));
    allowSend(this.role, props.queues.transfer.new);
    const authType = webhook.authentication === 'iam' ? FunctionUrlAuthType.AWS_IAM : FunctionUrlAuthType.NONE;
    this.url = this.function.addFunctionUrl({ authType });
  }
}
