/** Lists the versions of objects in a versioned bucket of S3. */
import {
  ListObjectsV2Command,
  type ListObjectsV2CommandOutput,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
} from '@aws-sdk/client-s3';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import { S3Requests } from './s3-requests.ts';
import { decodeKey, type ObjectVersion, type S3VersionsOptions } from './s3-versions.ts';

export interface ListedVersion extends ObjectVersion {
  readonly writtenAt: Date;
}

/** Yields every version below a prefix, older ones and none of deletions included. Throws a MirrorError without a key. */
export async function* listVersions(
  { bucket, name, ...connection }: S3VersionsOptions,
  prefix: string,
  { signal }: CallOptions = {},
): AsyncGenerator<ListedVersion> {
  const requests = new S3Requests(name, connection);
  try {
    for (let after: { KeyMarker?: string; VersionIdMarker?: string } | undefined = {}; after !== undefined; ) {
      // Keys may hold what XML cannot.
      const command = new ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix, EncodingType: 'url', ...after });
      const page: ListObjectVersionsCommandOutput = await requests.send(signal, (call) =>
        requests.client.send(command, call),
      );
      for (const { Key, VersionId, LastModified } of page.Versions ?? []) {
        if (Key === undefined || VersionId === undefined || LastModified === undefined) continue;
        yield { key: decodeKey(Key), versionId: VersionId, writtenAt: LastModified };
      }
      const { IsTruncated: hasMore, NextKeyMarker: key, NextVersionIdMarker: version } = page;
      if (hasMore === true && key === undefined) throw cutShort(name);
      const next = hasMore === true && key !== undefined ? { KeyMarker: decodeKey(key) } : undefined;
      after = next && { ...next, ...(version && { VersionIdMarker: version }) };
    }
  } finally {
    requests.client.destroy();
  }
}

/** Yields the distinct next segments below a prefix that ends in `/`, without listing what is below them; each ends in `/`. */
export async function* listFolders(
  { bucket, name, ...connection }: S3VersionsOptions,
  prefix: string,
  { signal }: CallOptions = {},
): AsyncGenerator<string> {
  const requests = new S3Requests(name, connection);
  const all = { Bucket: bucket, Prefix: prefix, Delimiter: '/', EncodingType: 'url' } as const;
  try {
    for (let next: { ContinuationToken?: string | undefined } | undefined = {}; next !== undefined; ) {
      const command = new ListObjectsV2Command({ ...all, ...next });
      const page: ListObjectsV2CommandOutput = await requests.send(signal, (call) =>
        requests.client.send(command, call),
      );
      for (const { Prefix } of page.CommonPrefixes ?? []) {
        if (Prefix !== undefined) yield decodeKey(Prefix).slice(prefix.length);
      }
      const { IsTruncated: hasMore, NextContinuationToken: token } = page;
      if (hasMore === true && token === undefined) throw cutShort(name);
      next = hasMore === true ? { ContinuationToken: token } : undefined;
    }
  } finally {
    requests.client.destroy();
  }
}

/** What is not listed would count as not there. */
function cutShort(name: string): MirrorError {
  return new MirrorError('answer-malformed', `${name}: the storage cut a listing short`);
}
