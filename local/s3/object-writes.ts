/** Putting, copying and deleting objects. */
import { rm } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import type { Answer, BucketCall, ObjectCall, ObjectCreated } from './call.ts';
import { xmlAnswer } from './call.ts';
import { requireThawed } from './cold-classes.ts';
import { Failure } from './failure.ts';
import { header, receiveFile, receiveText } from './incoming-body.ts';
import { lockOfNew, refuseLocked } from './object-lock.ts';
import type { ObjectVersion } from './object-version.ts';
import { checkWriteConditions, newVersionId, versionAt, versionHeaders, withNewest } from './versions.ts';
import { fromXml, toXml } from './xml.ts';

export async function putObject(call: ObjectCall): Promise<Answer> {
  const { bucket, request } = call;
  const received = await receiveFile(request, bucket.incomingFolder);
  try {
    const name = await bucket.adopt(received.path);
    const version = await addVersion(call, 'ObjectCreated:Put', {
      ...describedBy(request.headers),
      files: [{ name, sizeBytes: received.sizeBytes }],
      sizeBytes: received.sizeBytes,
      etag: received.md5.toString('hex'),
      checksum: received.checksum,
    });
    const { checksum } = received;
    return {
      status: 200,
      headers: {
        etag: `"${version.etag}"`,
        ...versionHeaders(version),
        ...(checksum && { [`x-amz-checksum-${checksum.name}`]: checksum.value }),
      },
    };
  } finally {
    await rm(received.path, { force: true });
  }
}

export async function copyObject(call: ObjectCall): Promise<Answer> {
  const { bucket, request } = call;
  const [path = '', search] = header(request.headers, 'x-amz-copy-source').split('?');
  const [, bucketName = '', key = ''] = /^\/?([^/]+)\/(.+)$/.exec(decodeURIComponent(path)) ?? [];
  const sourceBucket = call.bucketNamed(bucketName);
  const source = versionAt({ bucket: sourceBucket, key, query: new URLSearchParams(search) });
  requireThawed(source, call.now().getTime());
  const isReplaced = header(request.headers, 'x-amz-metadata-directive') === 'REPLACE';
  const files = [];
  for (const { name, sizeBytes } of source.files) {
    files.push({ name: await bucket.adopt(sourceBucket.pathOf(name)), sizeBytes });
  }
  const version = await addVersion(call, 'ObjectCreated:Copy', {
    ...describedBy(request.headers),
    ...(isReplaced ? {} : { contentType: source.contentType, metadata: source.metadata }),
    files,
    sizeBytes: source.sizeBytes,
    etag: source.etag,
    checksum: source.checksum,
  });
  const result = { LastModified: version.lastModified, ETag: `"${version.etag}"` };
  return xmlAnswer(toXml('CopyObjectResult', result), versionHeaders(version));
}

/** The time of now as S3 tells it: AWS knows no fractions of a second. */
function wholeSecond(): string {
  return new Date(Math.floor(Date.now() / 1000) * 1000).toISOString();
}

/** What a new version consists of before it is given its place. */
export type NewVersion = Pick<
  ObjectVersion,
  'files' | 'sizeBytes' | 'etag' | 'checksum' | 'contentType' | 'metadata' | 'storageClass'
>;

/**
 * Makes adopted bytes the current version of a key if the conditions of the request hold; else removes the bytes and
 * throws. `lockHeaders`: where the request that asked for a lock was an earlier one.
 */
export async function addVersion(
  { bucket, key, request, onObjectCreated }: ObjectCall,
  eventName: ObjectCreated['eventName'],
  added: NewVersion,
  lockHeaders: IncomingHttpHeaders = request.headers,
): Promise<ObjectVersion> {
  try {
    const version: ObjectVersion = {
      ...added,
      ...lockOfNew(lockHeaders, bucket.settings),
      versionId: newVersionId(bucket.settings),
      isDeleteMarker: false,
      lastModified: wholeSecond(),
    };
    await bucket.change(key, (versions) => {
      checkWriteConditions(request.headers, versions);
      return withNewest(versions, version);
    });
    const { sizeBytes, etag } = version;
    const versionId = version.versionId === 'null' ? undefined : version.versionId;
    onObjectCreated({ bucket: bucket.settings.name, key, sizeBytes, etag, versionId, eventName });
    return version;
  } catch (error) {
    await Promise.all(added.files.map(({ name }) => rm(bucket.pathOf(name), { force: true })));
    throw error;
  }
}

function storageClassOf(headers: IncomingHttpHeaders): Pick<ObjectVersion, 'storageClass'> {
  const storageClass = header(headers, 'x-amz-storage-class');
  return storageClass === '' || storageClass === 'STANDARD' ? {} : { storageClass };
}

/** @returns content type, user metadata and storage class of a request. */
export function describedBy(
  headers: IncomingHttpHeaders,
): Pick<ObjectVersion, 'contentType' | 'metadata' | 'storageClass'> {
  const prefix = 'x-amz-meta-';
  const names = Object.keys(headers).filter((name) => name.startsWith(prefix));
  const metadata = Object.fromEntries(names.map((name) => [name.slice(prefix.length), header(headers, name)]));
  return {
    contentType: header(headers, 'content-type') || 'application/octet-stream',
    metadata,
    ...storageClassOf(headers),
  };
}

export async function deleteObject(call: ObjectCall): Promise<Answer> {
  const { versionId, isDeleteMarker } = await deleteOne(call, call.key, call.query.get('versionId') ?? undefined);
  const marker: Record<string, string> = isDeleteMarker ? { 'x-amz-delete-marker': 'true' } : {};
  return { status: 204, headers: { ...versionHeaders({ versionId }), ...marker } };
}

export async function deleteObjects(call: BucketCall): Promise<Answer> {
  const object = z.object({ Key: z.string(), VersionId: z.string().optional() });
  const schema = z.object({ Object: z.array(object), Quiet: z.string().optional() });
  const wanted = fromXml(await receiveText(call.request), 'Delete', schema, ['Object']);
  const deleted: Record<string, unknown>[] = [];
  const failed: Record<string, unknown>[] = [];
  for (const { Key, VersionId } of wanted.Object) {
    try {
      await deleteOne(call, Key, VersionId);
      deleted.push({ Key, VersionId });
    } catch (error) {
      if (!(error instanceof Failure)) {
        throw error;
      }
      failed.push({ Key, VersionId, Code: error.code, Message: error.message });
    }
  }
  return xmlAnswer(toXml('DeleteResult', { Deleted: wanted.Quiet === 'true' ? [] : deleted, Error: failed }));
}

/** Deletes one version for good, or hides the object of a bucket with versions behind a delete marker. */
async function deleteOne(
  { bucket, request }: BucketCall,
  key: string,
  versionId: string | undefined,
): Promise<Pick<ObjectVersion, 'versionId' | 'isDeleteMarker'>> {
  if (versionId === undefined && bucket.settings.versioning !== undefined) {
    const marker = deleteMarker(newVersionId(bucket.settings));
    await bucket.change(key, (versions) => withNewest(versions, marker));
    return marker;
  }
  const id = versionId ?? 'null';
  let isDeleteMarker = false;
  await bucket.change(key, (versions) => {
    const version = versions.find((one) => one.versionId === id);
    if (version !== undefined) {
      refuseLocked(version, request.headers);
      isDeleteMarker = version.isDeleteMarker;
    }
    return versions.filter((one) => one !== version);
  });
  return { versionId: id, isDeleteMarker };
}

function deleteMarker(versionId: string): ObjectVersion {
  return {
    versionId,
    isDeleteMarker: true,
    files: [],
    sizeBytes: 0,
    etag: '',
    lastModified: wholeSecond(),
    contentType: '',
    metadata: {},
    hasLegalHold: false,
  };
}
