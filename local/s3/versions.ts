/** Finding and adding versions of an object. */
import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { ObjectCall } from './call.ts';
import { Failure } from './failure.ts';
import { header } from './incoming-body.ts';
import type { BucketDocument, ObjectVersion } from './object-version.ts';

/** @returns the version that `versionId` of a request names, or the current one. Throws as S3 does if there is none. */
export function versionAt({ bucket, key, query }: Pick<ObjectCall, 'bucket' | 'key' | 'query'>): ObjectVersion {
  const versionId = query.get('versionId');
  const versions = bucket.versionsOf(key);
  const version = versionId === null ? versions[0] : versions.find((one) => one.versionId === versionId);
  if (version === undefined) {
    throw new Failure(404, versionId === null ? 'NoSuchKey' : 'NoSuchVersion');
  }
  if (version.isDeleteMarker) {
    const headers = { 'x-amz-delete-marker': 'true', 'x-amz-version-id': version.versionId };
    throw versionId === null ? new Failure(404, 'NoSuchKey', undefined, headers) : new Failure(405, 'MethodNotAllowed');
  }
  return version;
}

/** @returns the id of a new version in a bucket. */
export function newVersionId({ versioning }: BucketDocument): string {
  return versioning === 'Enabled' ? randomBytes(16).toString('base64url') : 'null';
}

/** @returns the versions after a new one was added; the one without an id is replaced. */
export function withNewest(versions: readonly ObjectVersion[], newest: ObjectVersion): ObjectVersion[] {
  return [newest, ...versions.filter(({ versionId }) => newest.versionId !== 'null' || versionId !== 'null')];
}

/** Throws as S3 does unless the conditions of a write hold for the versions that are there at that moment. */
export function checkWriteConditions(headers: IncomingHttpHeaders, versions: readonly ObjectVersion[]): void {
  const current = versions[0]?.isDeleteMarker ? undefined : versions[0];
  const ifMatch = header(headers, 'if-match');
  const ifNoneMatch = header(headers, 'if-none-match');
  if (ifNoneMatch !== '' && ifNoneMatch !== '*') {
    throw new Failure(501, 'NotImplemented', 'a write knows If-None-Match only with *');
  }
  if (ifMatch !== '' && current === undefined) {
    throw new Failure(404, 'NoSuchKey');
  }
  const isOther = ifMatch !== '' && ifMatch !== '*' && withoutQuotes(ifMatch) !== current?.etag;
  if (isOther || (ifNoneMatch === '*' && current !== undefined)) {
    throw new Failure(412, 'PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');
  }
}

/** @returns an ETag as it is kept. */
export function withoutQuotes(etag: string): string {
  return etag.replaceAll('"', '');
}

/** @returns the headers that tell the version of an object, where the bucket keeps versions. */
export function versionHeaders({ versionId }: Pick<ObjectVersion, 'versionId'>): Record<string, string> {
  return versionId === 'null' ? {} : { 'x-amz-version-id': versionId };
}
