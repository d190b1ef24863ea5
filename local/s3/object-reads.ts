/** Reading objects. */
import { createReadStream } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import type { Bucket } from './bucket.ts';
import type { Answer, ObjectCall } from './call.ts';
import { coldHeaders, requireThawed } from './cold-classes.ts';
import { Failure } from './failure.ts';
import { header } from './incoming-body.ts';
import type { ObjectVersion } from './object-version.ts';
import { versionAt, versionHeaders, withoutQuotes } from './versions.ts';

/** Answers both GET and HEAD; for the latter the body is left out by the server. */
export function getObject(call: ObjectCall): Answer {
  const version = versionAt(call);
  const { headers, method } = call.request;
  const nowMs = call.now().getTime();
  if (isUnchanged(headers, version)) {
    return { status: 304, headers: { etag: `"${version.etag}"` } };
  }
  if (method === 'GET') requireThawed(version, nowMs);
  const range = rangeOf(header(headers, 'range'), version.sizeBytes);
  const { first, end } = range ?? { first: 0, end: version.sizeBytes };
  return {
    status: range === undefined ? 200 : 206,
    headers: {
      ...headersOf(version),
      ...coldHeaders(version, nowMs),
      'content-length': String(end - first),
      ...(range && { 'content-range': `bytes ${first}-${end - 1}/${version.sizeBytes}` }),
      ...(range === undefined && checksumHeaders(headers, version)),
    },
    body: bytesOf(call.bucket, version, first, end),
  };
}

function isUnchanged(headers: IncomingHttpHeaders, { etag }: ObjectVersion): boolean {
  const ifMatch = header(headers, 'if-match');
  if (ifMatch !== '' && ifMatch !== '*' && withoutQuotes(ifMatch) !== etag) {
    throw new Failure(412, 'PreconditionFailed');
  }
  return withoutQuotes(header(headers, 'if-none-match')) === etag;
}

function headersOf(version: ObjectVersion): Record<string, string> {
  const metadata = Object.entries(version.metadata).map(([name, value]) => [`x-amz-meta-${name}`, value]);
  const { retention } = version;
  return {
    etag: `"${version.etag}"`,
    'last-modified': new Date(version.lastModified).toUTCString(),
    'content-type': version.contentType,
    'accept-ranges': 'bytes',
    ...versionHeaders(version),
    ...Object.fromEntries(metadata),
    ...(retention && {
      'x-amz-object-lock-mode': retention.mode,
      'x-amz-object-lock-retain-until-date': retention.until,
    }),
    ...(version.hasLegalHold && { 'x-amz-object-lock-legal-hold': 'ON' }),
  };
}

function checksumHeaders(headers: IncomingHttpHeaders, { checksum }: ObjectVersion): Record<string, string> {
  const isWanted = header(headers, 'x-amz-checksum-mode').toUpperCase() === 'ENABLED';
  return isWanted && checksum ? { [`x-amz-checksum-${checksum.name}`]: checksum.value } : {};
}

/** @returns the bytes that a Range header asks for; `undefined` if it is absent or of a form that is to be ignored. */
function rangeOf(range: string, sizeBytes: number): { first: number; end: number } | undefined {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
  if (from === '' && to === '') {
    return undefined;
  }
  const first = from === '' ? Math.max(0, sizeBytes - Number(to)) : Number(from);
  const end = from === '' || to === '' ? sizeBytes : Math.min(Number(to) + 1, sizeBytes);
  if (first >= end) {
    throw new Failure(416, 'InvalidRange', undefined, { 'content-range': `bytes */${sizeBytes}` });
  }
  return { first, end };
}

/** Yields bytes `first` up to, not including, `end` of all files of a version in order. */
async function* bytesOf(
  bucket: Bucket,
  version: ObjectVersion,
  first: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  let start = 0;
  for (const { name, sizeBytes } of version.files) {
    const from = Math.max(first - start, 0);
    const to = Math.min(end - start, sizeBytes);
    if (from < to) {
      for await (const chunk of createReadStream(bucket.pathOf(name), { start: from, end: to - 1 })) {
        yield chunk;
      }
    }
    start += sizeBytes;
  }
}
