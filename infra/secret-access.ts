import { ArnFormat, Stack } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { webhookSecretsOf } from '../core/config/cloud-security-schema.ts';
import type { Configuration } from '../core/config/schema.ts';
import { secretRefsOf } from '../core/config/secret-refs.ts';
import type { SecretRef, ServerConfiguration } from '../core/config/server-schema.ts';
import { serversOf } from './configured-servers.ts';
import type { PermissionName } from './permission-reasons.ts';
import type { ServiceRole } from './service-role.ts';

/** Lets a function read the secrets that these servers refer to, and nothing else. */
export function allowReadSecretsOf(role: ServiceRole, servers: readonly ServerConfiguration[]): void {
  allowReadSecrets(role, 'ReadSecrets', refsOf(servers));
}

/** Every secret that a configuration names. */
export function secretArnsOf(scope: Construct, configuration: Configuration): string[] {
  const { webhook } = configuration.cloud;
  const ofWebhook = webhook === undefined ? [] : webhookSecretsOf(webhook);
  return arnsOf(scope, [...refsOf(serversOf(configuration)), ...ofWebhook]);
}

function refsOf(servers: readonly ServerConfiguration[]): SecretRef[] {
  return servers.flatMap((server) => secretRefsOf(server).map(({ ref }) => ref));
}

/** Lets a function read these secrets, and use the keys that encrypt them. */
export function allowReadSecrets(role: ServiceRole, name: PermissionName, refs: readonly SecretRef[]): void {
  role.allow(name, ['secretsmanager:GetSecretValue'], arnsOf(role, refs));
  role.allow('DecryptSecrets', ['kms:Decrypt'], [...new Set(refs.flatMap(kmsKeyOf))].sort());
}

function arnsOf(scope: Construct, refs: readonly SecretRef[]): string[] {
  const arns = refs.flatMap((ref) => ('secretsManager' in ref ? [arnOfSecret(scope, ref.secretsManager)] : []));
  return [...new Set(arns)].sort();
}

function kmsKeyOf(ref: SecretRef): string[] {
  return 'secretsManager' in ref && ref.kmsKey !== undefined ? [ref.kmsKey] : [];
}

/** The ARN of a secret ends with a hyphen and six random characters, which the name does not tell. */
function arnOfSecret(scope: Construct, nameOrArn: string): string {
  if (nameOrArn.startsWith('arn:')) {
    return nameOrArn;
  }
  return Stack.of(scope).formatArn({
    service: 'secretsmanager',
    resource: 'secret',
    resourceName: `${nameOrArn}-??????`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
}
