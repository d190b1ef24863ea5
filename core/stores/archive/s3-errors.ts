/**
 * What an error of S3 means, decided once. Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 * and those that other servers (MinIO, Ceph) add.
 */
import { type ErrorCode, isMirrorError, MirrorError } from '../../errors.ts';
import { abortedError } from '../aborted.ts';

type Meaning = readonly [ErrorCode, string];

const byName: Readonly<Record<string, Meaning>> = {
  AccessDenied: ['forbidden', 'the credentials do not permit this; check the policy of role, bucket and key'],
  AllAccessDisabled: ['forbidden', 'all access to the bucket is disabled'],
  AccountProblem: ['forbidden', 'the account has a problem; ask its provider'],
  InvalidAccessKeyId: ['unauthorized', 'the access key is unknown'],
  SignatureDoesNotMatch: ['unauthorized', 'the secret key is wrong'],
  ExpiredToken: ['unauthorized', 'the credentials have expired'],
  InvalidToken: ['unauthorized', 'the session token is invalid'],
  TokenRefreshRequired: ['unauthorized', 'the credentials have expired'],
  RequestTimeTooSkewed: ['configuration', "this machine's clock is wrong"],
  CredentialsProviderError: ['unauthorized', 'no credentials were found; set AWS_PROFILE, or the keys, or a role'],
  NoSuchBucket: ['configuration', 'there is no such bucket; create it, or check its name and region'],
  InvalidBucketName: ['configuration', 'this is not a name of a bucket'],
  PermanentRedirect: ['configuration', 'the bucket lies in another region'],
  TemporaryRedirect: ['busy', 'the bucket is being set up'],
  AuthorizationHeaderMalformed: ['configuration', 'the region is wrong'],
  IllegalLocationConstraintException: ['configuration', 'the region is wrong'],
  NotImplemented: ['configuration', 'this S3 server cannot do what an archive needs (conditional writes)'],
  InvalidObjectState: [
    'cold',
    'the object lies in a cold storage class: have S3 restore a copy of it (RestoreObject, within 12 to 48 hours), then run again',
  ],
  BadDigest: ['hash-mismatch', 'the bytes were changed on their way to the storage'],
  XAmzContentSHA256Mismatch: ['hash-mismatch', 'the bytes were changed on their way to the storage'],
  IncompleteBody: ['body-short', 'the storage did not receive all bytes'],
  QuotaExceeded: ['full', 'the quota is used up'],
  XMinioStorageFull: ['full', 'the storage is full'],
  EntityTooLarge: ['refused', 'the object is larger than the storage accepts'],
  ConditionalRequestConflict: ['busy', 'another process is writing the same object'],
  OperationAborted: ['busy', 'another process is changing the same bucket'],
  SlowDown: ['busy', 'the storage asks to slow down'],
  ServiceUnavailable: ['busy', 'the storage is busy'],
  RequestTimeout: ['unreachable', 'the storage gave up waiting for the bytes'],
  TimeoutError: ['unreachable', 'the storage does not answer'],
};

const byStatus: Readonly<Record<number, Meaning>> = {
  301: ['configuration', 'the bucket lies in another region'],
  400: ['refused', 'the storage refused the request as malformed'],
  401: ['unauthorized', 'the credentials are not accepted'],
  403: ['forbidden', 'the credentials do not permit this; check the policy of role, bucket and key'],
  408: ['unreachable', 'the storage gave up waiting'],
  409: ['busy', 'another process is writing the same object'],
  429: ['busy', 'the storage asks to slow down'],
  503: ['busy', 'the storage is busy'],
  507: ['full', 'the storage is full'],
};

const unreachableCodes = /^(?:E(?:CONN|HOST|NET|PIPE|TIMEDOUT|AI_AGAIN)|ENOTFOUND|UND_ERR)/;
const tlsCodes = /CERT|SELF_SIGNED|UNABLE_TO_|^ERR_TLS|^ERR_SSL|^EPROTO/;

/** The parts of an SDK error that tell what happened. */
export interface S3Failure {
  /** `Code` of the answer, or the name of the SDK's own error. */
  readonly name: string;
  /** HTTP status; 0 if there was no answer. */
  readonly status: number;
}

/** @returns name and status of what the SDK threw. */
export function s3Failure(error: unknown): S3Failure {
  const name = error instanceof Error ? error.name : '';
  const metadata = error instanceof Error && '$metadata' in error ? error.$metadata : undefined;
  const hasStatus = typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata;
  const status = hasStatus && typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : 0;
  return { name, status };
}

/** @returns the MirrorError for what a request of the SDK threw; MirrorErrors stay what they are. */
export function s3Error(storage: string, error: unknown, signal?: AbortSignal): MirrorError {
  if (isMirrorError(error)) {
    return error;
  }
  if (signal?.aborted) {
    return abortedError(signal);
  }
  const failure = s3Failure(error);
  const [code, meaning] = byName[failure.name] ?? byStatus[failure.status] ?? unnamed(error, failure.status);
  return new MirrorError(code, `${storage}: ${meaning}`, { cause: error, store: storage });
}

function unnamed(error: unknown, status: number): Meaning {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (tlsCodes.test(code)) {
    return ['tls-untrusted', `its TLS certificate is not trusted (${code}); set NODE_EXTRA_CA_CERTS for a private CA`];
  }
  if (unreachableCodes.test(code)) {
    return ['unreachable', `it cannot be reached (${code})`];
  }
  if (error instanceof Error && error.message === 'Region is missing') {
    return ['configuration', 'no region is known; set AWS_REGION or name the region'];
  }
  return ['server-error', status === 0 ? 'the request failed' : `the storage answered ${status}`];
}
