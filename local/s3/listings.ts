/** Listing objects and versions. */
import { type Bucket, lowerBound } from './bucket.ts';
import type { Answer, BucketCall } from './call.ts';
import { xmlAnswer } from './call.ts';
import { Failure } from './failure.ts';
import type { ObjectVersion } from './object-version.ts';
import { toXml } from './xml.ts';

/** One page: keys, and prefixes that stand for all keys that begin with them. */
interface Page {
  readonly keys: readonly string[];
  readonly prefixes: readonly string[];
  /** The last key or prefix of the page if there is more behind it. */
  readonly next: string | undefined;
}

interface PageRequest {
  readonly prefix: string;
  readonly delimiter: string;
  readonly after: string;
  /** Whether `after` is a prefix that an earlier page ended with, so that the keys below it were listed. */
  readonly isAfterPrefix: boolean;
  readonly most: number;
}

export function listObjects(call: BucketCall): Answer {
  const { bucket, query } = call;
  const token = query.get('continuation-token');
  const request = pageRequest(
    query,
    token === null ? (query.get('start-after') ?? '') : decodeToken(token),
    token !== null,
  );
  const page = pageOf(bucket, request, (key) => bucket.current(key) !== undefined);
  const encode = encoderFor(query);
  return xmlAnswer(
    toXml('ListBucketResult', {
      Name: bucket.settings.name,
      Prefix: encode(request.prefix),
      Delimiter: request.delimiter === '' ? undefined : encode(request.delimiter),
      EncodingType: query.get('encoding-type') ?? undefined,
      MaxKeys: request.most,
      KeyCount: page.keys.length + page.prefixes.length,
      IsTruncated: page.next !== undefined,
      ContinuationToken: token ?? undefined,
      NextContinuationToken: page.next && Buffer.from(page.next).toString('base64url'),
      StartAfter: query.get('start-after') ?? undefined,
      Contents: page.keys.map((key) => objectXml(encode(key), bucket.current(key))),
      CommonPrefixes: page.prefixes.map((prefix) => ({ Prefix: encode(prefix) })),
    }),
  );
}

/** A page ends with all versions of its last key, so that a key is marker enough. */
export function listVersions({ bucket, query }: BucketCall): Answer {
  const request = pageRequest(query, query.get('key-marker') ?? '', true);
  const page = pageOf(bucket, request, () => true);
  const encode = encoderFor(query);
  const all = page.keys.flatMap((key) =>
    bucket.versionsOf(key).map((version, index) => ({ key, version, isLatest: index === 0 })),
  );
  const versionXml = ({ key, version, isLatest }: (typeof all)[number]) => ({
    ...(version.isDeleteMarker
      ? { Key: encode(key), LastModified: version.lastModified }
      : objectXml(encode(key), version)),
    VersionId: version.versionId,
    IsLatest: isLatest,
  });
  return xmlAnswer(
    toXml('ListVersionsResult', {
      Name: bucket.settings.name,
      Prefix: encode(request.prefix),
      EncodingType: query.get('encoding-type') ?? undefined,
      MaxKeys: request.most,
      IsTruncated: page.next !== undefined,
      NextKeyMarker: page.next && encode(page.next),
      Version: all.filter(({ version }) => !version.isDeleteMarker).map(versionXml),
      DeleteMarker: all.filter(({ version }) => version.isDeleteMarker).map(versionXml),
      CommonPrefixes: page.prefixes.map((prefix) => ({ Prefix: encode(prefix) })),
    }),
  );
}

function pageRequest(query: URLSearchParams, after: string, isContinued: boolean): PageRequest {
  const delimiter = query.get('delimiter') ?? '';
  const most = Number(query.get('max-keys') ?? 1000);
  if (!Number.isInteger(most) || most < 0) {
    throw new Failure(400, 'InvalidArgument', 'max-keys');
  }
  return {
    prefix: query.get('prefix') ?? '',
    delimiter,
    after,
    isAfterPrefix: isContinued && delimiter !== '' && after.endsWith(delimiter),
    most: Math.min(most, 1000),
  };
}

function pageOf(bucket: Bucket, request: PageRequest, isListed: (key: string) => boolean): Page {
  const { prefix, delimiter, after, most } = request;
  const keys: string[] = [];
  const prefixes: string[] = [];
  let last: string | undefined;
  for (let position = lowerBound(bucket.keys, prefix > after ? prefix : after); ; position += 1) {
    const key = bucket.keys[position];
    if (key === undefined || !key.startsWith(prefix)) {
      return { keys, prefixes, next: undefined };
    }
    const isPassed = key === after || (request.isAfterPrefix && key.startsWith(after));
    const isInLast = prefixes.length > 0 && key.startsWith(prefixes.at(-1) ?? '');
    if (isPassed || isInLast || !isListed(key)) {
      continue;
    }
    if (keys.length + prefixes.length >= most) {
      return { keys, prefixes, next: last };
    }
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    last = end < 0 ? key : key.slice(0, end + delimiter.length);
    (end < 0 ? keys : prefixes).push(last);
  }
}

function objectXml(encodedKey: string, version: ObjectVersion | undefined): Record<string, unknown> {
  return {
    Key: encodedKey,
    LastModified: version?.lastModified,
    ETag: `"${version?.etag}"`,
    Size: version?.sizeBytes,
    StorageClass: version?.storageClass ?? 'STANDARD',
  };
}

function encoderFor(query: URLSearchParams): (text: string) => string {
  return query.get('encoding-type') === 'url'
    ? (text) => encodeURIComponent(text).replaceAll('%2F', '/')
    : (text) => text;
}

function decodeToken(token: string): string {
  return Buffer.from(token, 'base64url').toString('utf8');
}
