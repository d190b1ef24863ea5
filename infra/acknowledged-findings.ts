import { type Stack, Validations } from 'aws-cdk-lib';
import type { Configuration } from '../core/config/schema.ts';

/**
 * Findings of cdk-nag that stay as they are, by rule, each with its reason. Wildcards in permissions are acknowledged one
 * by one with the reason of the permission, where it is granted (`ServiceRole`). Every other finding fails the synthesis.
 */
export const acknowledgedFindings = {
  'HIPAA.Security::HIPAA.Security-S3BucketReplicationEnabled':
    'Replication needs a bucket in another account or region that this stack does not own; docs/operate.md tells how ' +
    'to add it. The log bucket holds nothing that is missed.',
  'HIPAA.Security::HIPAA.Security-S3DefaultEncryptionKMS':
    'Only the bucket of access logs, to which S3 delivers only with its own encryption. It holds keys of objects, and ' +
    'no patient data is in them.',
  'Serverless::Serverless-SQSRedrivePolicy':
    'Only the queues that are themselves dead-letter queues; each has an alarm.',
  'Serverless::Serverless-LambdaAsyncFailureDestination':
    'What fails goes to the queue of failed invocations, as a dead letter; a destination would put it there twice.',
  'Serverless::Serverless-LambdaEventSourceMappingDestination':
    'Destinations of event sources are for streams; what the queue cannot deliver goes to its dead-letter queue.',
  'Serverless::Serverless-LambdaTracing':
    'Traces would need a permission on all resources and cost 166 ms at each cold start; logs carry the request id.',
} as const satisfies Record<string, string>;

/** Further findings of a stack whose functions run outside of any VPC. */
export const acknowledgedWithoutVpc = {
  'HIPAA.Security::HIPAA.Security-LambdaInsideVPC':
    'Servers with public addresses are reached from outside of a VPC; "cloud.vpc" puts the functions into one.',
} as const satisfies Record<string, string>;

/** Further findings of a stack with a webhook that knows its callers by a secret. */
export const acknowledgedWithSecretWebhook = {
  'HIPAA.Security::HIPAA.Security-LambdaFunctionPublicAccessProhibited':
    'Hooks in an Orthanc cannot sign requests for IAM. The webhook knows them by a secret, compared in constant time, ' +
    'can only put ids on the queue, and is bounded in size, rate and concurrency.',
} as const satisfies Record<string, string>;

const noAccessLogs =
  'Keys of an inbox are the names that senders gave and may hold names of patients, which belong in no log.';

/** Findings of the bucket of the inbox, acknowledged where it is made: one matter, of which two packs speak. */
export const acknowledgedForInbox = {
  'AwsSolutions-S1': noAccessLogs,
  'HIPAA.Security::HIPAA.Security-S3BucketLoggingEnabled': noAccessLogs,
} as const satisfies Record<string, string>;

/** Finding of the function that opens archives, where callers have tokens, acknowledged where it is made. */
export const acknowledgedWithTokens = {
  'HIPAA.Security::HIPAA.Security-LambdaFunctionPublicAccessProhibited':
    'Who has a token of an OpenID Connect issuer cannot sign requests for IAM. The function checks signature, issuer, ' +
    'audience and time of every token before it looks at an archive, can only read, and is bounded in concurrency.',
} as const satisfies Record<string, string>;

/** Tells cdk-nag what is acknowledged for this configuration. */
export function acknowledgeFindings(stack: Stack, { cloud }: Configuration): void {
  const findings = {
    ...acknowledgedFindings,
    ...(cloud.vpc === undefined ? acknowledgedWithoutVpc : {}),
    ...(cloud.webhook?.authentication === 'secret' ? acknowledgedWithSecretWebhook : {}),
  };
  for (const [id, reason] of Object.entries(findings)) {
    Validations.of(stack).acknowledge({ id, reason });
  }
}
