import { ArnFormat, Stack } from 'aws-cdk-lib';
import { type IGrantable, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { secretRefsOf } from '../core/config/secret-refs.ts';
import type { SecretRef, ServerConfiguration } from '../core/config/server-schema.ts';

/** Lets a function read the secrets that these servers refer to, and nothing else. */
export function grantReadSecrets(scope: Construct, grantee: IGrantable, servers: readonly ServerConfiguration[]): void {
  const refs = servers.flatMap((server) => secretRefsOf(server).map(({ ref }) => ref));
  const secrets = new Set(
    refs.flatMap((ref) => ('secretsManager' in ref ? [arnOfSecret(scope, ref.secretsManager)] : [])),
  );
  const keys = new Set(refs.flatMap(kmsKeyOf));
  if (secrets.size > 0) {
    grantee.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({ actions: ['secretsmanager:GetSecretValue'], resources: [...secrets].sort() }),
    );
  }
  if (keys.size > 0) {
    grantee.grantPrincipal.addToPrincipalPolicy(
      new PolicyStatement({ actions: ['kms:Decrypt'], resources: [...keys].sort() }),
    );
  }
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
