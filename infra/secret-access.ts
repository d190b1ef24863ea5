import { ArnFormat, Stack } from 'aws-cdk-lib';
import { secretRefsOf } from '../core/config/secret-refs.ts';
import type { SecretRef, ServerConfiguration } from '../core/config/server-schema.ts';
import type { PermissionName } from './permission-reasons.ts';
import type { ServiceRole } from './service-role.ts';

/** Lets a function read the secrets that these servers refer to, and nothing else. */
export function allowReadSecretsOf(role: ServiceRole, servers: readonly ServerConfiguration[]): void {
  const refs = servers.flatMap((server) => secretRefsOf(server).map(({ ref }) => ref));
  allowReadSecrets(role, 'ReadSecrets', refs);
}

/** Lets a function read these secrets, and use the keys that encrypt them. */
export function allowReadSecrets(role: ServiceRole, name: PermissionName, refs: readonly SecretRef[]): void {
  const secrets = new Set(
    refs.flatMap((ref) => ('secretsManager' in ref ? [arnOfSecret(role, ref.secretsManager)] : [])),
  );
  role.allow(name, ['secretsmanager:GetSecretValue'], [...secrets].sort());
  role.allow('DecryptSecrets', ['kms:Decrypt'], [...new Set(refs.flatMap(kmsKeyOf))].sort());
}

function kmsKeyOf(ref: SecretRef): string[] {
  return 'secretsManager' in ref && ref.kmsKey !== undefined ? [ref.kmsKey] : [];
}

/** The ARN of a secret ends with a hyphen and six random characters, which the name does not tell. */
function arnOfSecret(scope: ServiceRole, nameOrArn: string): string {
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
