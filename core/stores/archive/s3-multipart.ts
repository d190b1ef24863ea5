/** Writing a large object to S3 in parts, all or nothing. */
import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { MirrorError } from '../../errors.ts';
import { inParts, PartBuffers, partBytesFor } from './s3-parts.ts';
import type { S3Requests } from './s3-requests.ts';

/** How many parts are on their way while the next one is filled: the second hides the delay of the first's answer. */
const partsUnderWay = 2;

/** Where an upload goes. */
export interface MultipartTarget {
  readonly requests: S3Requests;
  readonly bucket: string;
  readonly key: string;
}

export interface MultipartOptions {
  readonly sizeBytes: number;
  /** Bytes of each part; more if the object would have too many parts. Three of them are held in memory. */
  readonly partBytes: number;
  readonly contentType: string | undefined;
  /** Completes even if there is an object under the key, which becomes an older version. */
  readonly supersedes?: boolean;
  readonly signal: AbortSignal | undefined;
}

interface UploadedPart {
  readonly PartNumber: number;
  readonly ETag: string;
}

/**
 * Uploads `body` and completes the object only after the body ended normally, and only if there is none under the key.
 * `'exists'`: there was one. `'conflict'`: somebody else is writing one.
 * After any error the upload is aborted, so that nothing remains; if even that fails, or the process dies, the parts
 * stay invisible until the bucket's lifecycle rule removes them. Throws what `body` throws, as it is, or a MirrorError.
 */
export async function uploadInParts(
  { requests, bucket, key }: MultipartTarget,
  body: AsyncIterable<Uint8Array>,
  options: MultipartOptions,
): Promise<'created' | 'exists' | 'conflict'> {
  const target = { Bucket: bucket, Key: key };
  const { UploadId } = await requests.send(options.signal, (call) =>
    requests.client.send(new CreateMultipartUploadCommand({ ...target, ContentType: options.contentType }), call),
  );
  const upload = { ...target, UploadId };
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const sent: Promise<UploadedPart>[] = [];
  try {
    const parts = await sendParts(requests, upload, body, { ...options, signal }, sent);
    const command = new CompleteMultipartUploadCommand({
      ...upload,
      MultipartUpload: { Parts: parts },
      ...(options.supersedes !== true && { IfNoneMatch: '*' }),
    });
    // 404: an earlier try completed the upload, and its answer was lost.
    const answer = await requests.sendOr([404, 409, 412], signal, (call) => requests.client.send(command, call));
    if (typeof answer !== 'number') {
      return 'created';
    }
    await abortUpload(requests, upload);
    return answer === 409 ? 'conflict' : 'exists';
  } catch (error) {
    stop.abort();
    // Parts that arrive after an upload was aborted may remain: first all of them must have ended.
    await Promise.allSettled(sent);
    await abortUpload(requests, upload);
    throw error;
  }
}

interface IdentifiedUpload {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string | undefined;
}

/** Never throws: what led here is what must be told. */
async function abortUpload(requests: S3Requests, upload: IdentifiedUpload): Promise<void> {
  await requests.client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined);
}

/** Sends all parts; adds each to `sent` when it begins. */
async function sendParts(
  requests: S3Requests,
  upload: IdentifiedUpload,
  body: AsyncIterable<Uint8Array>,
  options: MultipartOptions,
  sent: Promise<UploadedPart>[],
): Promise<UploadedPart[]> {
  const buffers = new PartBuffers(partBytesFor(options.sizeBytes, options.partBytes));
  for await (const part of inParts(body, buffers)) {
    const sending = sendPart(requests, upload, sent.length + 1, part.bytes, options.signal).then((uploaded) => {
      buffers.giveBack(part.buffer);
      return uploaded;
    });
    // Awaited below, in order; a failure before that must not end the process.
    sending.catch(() => undefined);
    sent.push(sending);
    await sent[sent.length - partsUnderWay];
  }
  return Promise.all(sent);
}

async function sendPart(
  requests: S3Requests,
  upload: IdentifiedUpload,
  partNumber: number,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<UploadedPart> {
  const command = new UploadPartCommand({
    ...upload,
    PartNumber: partNumber,
    Body: bytes,
    ContentLength: bytes.length,
    ContentMD5: createHash('md5').update(bytes).digest('base64'),
  });
  const { ETag } = await requests.send(signal, (call) => requests.client.send(command, call));
  if (ETag === undefined) {
    throw new MirrorError('answer-malformed', 'the storage did not confirm a part of an upload');
  }
  return { PartNumber: partNumber, ETag };
}
