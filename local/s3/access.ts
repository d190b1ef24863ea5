/** Who asks for what, in the words of IAM: for a server that decides whether they may. */
import type { IncomingMessage } from 'node:http';
import { Failure } from './failure.ts';

export interface AccessRequest {
  /** Access key id of the signature, which is believed; `undefined` if there is none. */
  readonly accessKeyId: string | undefined;
  /** Such as `s3:GetObject`. */
  readonly action: string;
  /** ARN of the bucket or the object. */
  readonly resource: string;
  /** Condition keys of the request, as far as they are decided here; a key that is absent is not there in AWS either. */
  readonly conditions?: Readonly<Record<string, string>>;
}

export type IsAllowed = (request: AccessRequest) => boolean;

/**
 * The action that a request needs, by method and the parameter of its query that tells the operation. Source:
 * https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
 */
const objectActions: Readonly<Record<string, string>> = {
  'GET ': 's3:GetObject',
  'HEAD ': 's3:GetObject',
  'PUT ': 's3:PutObject',
  'DELETE ': 's3:DeleteObject',
  'POST restore': 's3:RestoreObject',
  'POST uploads': 's3:PutObject',
  'PUT uploadId': 's3:PutObject',
  'POST uploadId': 's3:PutObject',
  'GET uploadId': 's3:ListMultipartUploadParts',
  'DELETE uploadId': 's3:AbortMultipartUpload',
};

const bucketActions: Readonly<Record<string, string>> = {
  'GET ': 's3:ListBucket',
  'HEAD ': 's3:ListBucket',
  'GET versions': 's3:ListBucketVersions',
  'GET uploads': 's3:ListBucketMultipartUploads',
};

/** Throws `AccessDenied` if a request may not be answered; what has no action here needs the right to everything. */
export function requireAllowed(request: IncomingMessage, isAllowed: IsAllowed, bucket: string, key: string): void {
  const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const operation = ['uploadId', 'uploads', 'versions', 'restore'].find((name) => searchParams.has(name)) ?? '';
  const actions = key === '' ? bucketActions : objectActions;
  const versioned = key !== '' && searchParams.has('versionId') ? 'Version' : '';
  const action = (actions[`${request.method} ${operation}`] ?? 's3:*').replace(/Object$/, `Object${versioned}`);
  const resource = `arn:aws:s3:::${bucket}${key === '' ? '' : `/${key}`}`;
  // In a header, or in an address that was signed.
  const credential =
    searchParams.get('X-Amz-Credential') ?? /Credential=([^,]+)/.exec(request.headers.authorization ?? '')?.[1];
  const accessKeyId = credential?.split('/')[0];
  const isLocking = request.headers['x-amz-object-lock-mode'] !== undefined;
  for (const needed of isLocking ? [action, 's3:PutObjectRetention'] : [action]) {
    const conditions = needed === 's3:PutObject' ? conditionsOfWrite(request, operation) : {};
    if (!isAllowed({ accessKeyId, action: needed, resource, conditions })) {
      throw new Failure(403, 'AccessDenied', `${needed} is not allowed`);
    }
  }
}

/** Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html */
function conditionsOfWrite({ method, headers }: IncomingMessage, operation: string): Record<string, string> {
  // The beginning and the parts of an upload make no object; its completion does.
  const createsObject = operation === '' || (operation === 'uploadId' && method === 'POST');
  const ifNoneMatch = headers['if-none-match'];
  return {
    's3:ObjectCreationOperation': String(createsObject),
    ...(ifNoneMatch === undefined ? {} : { 's3:if-none-match': ifNoneMatch }),
  };
}
