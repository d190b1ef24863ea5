/** The adapter to AWS Secrets Manager. */
import {
  GetSecretValueCommand,
  InvalidRequestException,
  ResourceNotFoundException,
  SecretsManagerClient,
  SecretsManagerServiceException,
} from '@aws-sdk/client-secrets-manager';
import { MirrorError } from '../../errors.ts';

/** Fetches the text of a secret in AWS Secrets Manager. Throws a {@link MirrorError}. */
export type FetchSecret = (nameOrArn: string) => Promise<string>;

/** One that cannot be reached must not use up the time of a function. */
const patience = { connectionTimeout: 3_000, requestTimeout: 5_000 };

/** Makes a function that fetches secrets; region, endpoint and credentials are those of the AWS environment. */
export function secretsManagerFetcher(): FetchSecret {
  const client = new SecretsManagerClient({ requestHandler: patience });
  return async (nameOrArn) => {
    const answer = await client.send(new GetSecretValueCommand({ SecretId: nameOrArn })).catch((cause: unknown) => {
      throw asMirrorError(nameOrArn, cause);
    });
    if (answer.SecretString === undefined) {
      throw new MirrorError('configuration', `The secret ${nameOrArn} is binary; store it as text.`);
    }
    return answer.SecretString;
  };
}

function asMirrorError(nameOrArn: string, cause: unknown): MirrorError {
  if (cause instanceof ResourceNotFoundException || cause instanceof InvalidRequestException) {
    return new MirrorError('configuration', `There is no usable secret ${nameOrArn}; create it, or correct its name.`, {
      cause,
    });
  }
  if (cause instanceof SecretsManagerServiceException && cause.name === 'AccessDeniedException') {
    return new MirrorError(
      'forbidden',
      `We may not read the secret ${nameOrArn}; grant secretsmanager:GetSecretValue on it.`,
      { cause },
    );
  }
  return new MirrorError('unreachable', `AWS Secrets Manager did not give the secret ${nameOrArn}.`, { cause });
}
