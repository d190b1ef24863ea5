/**
 * Multipart uploads. Each is a folder `uploads/<id>/` with `upload.json`, and per part a file of bytes and a document
 * that names it; the document of a part is replaced by a rename when the part is sent again.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Bucket } from './bucket.ts';
import type { Answer, BucketCall, ObjectCall } from './call.ts';
import { xmlAnswer } from './call.ts';
import { Failure } from './failure.ts';
import { header, receiveFile, receiveText } from './incoming-body.ts';
import { addVersion, describedBy } from './object-writes.ts';
import { versionHeaders, withoutQuotes } from './versions.ts';
import { fromXml, toXml } from './xml.ts';

/** Every part but the last must be as large. */
const leastPartBytes = 5 * 1024 * 1024;

const uploadSchema = z.object({
  key: z.string(),
  initiatedAt: z.iso.datetime(),
  contentType: z.string(),
  metadata: z.record(z.string(), z.string()),
  /** The object lock headers of the request that began the upload. */
  lock: z.record(z.string(), z.string()),
});
type Upload = z.infer<typeof uploadSchema>;

const partSchema = z.object({ number: z.int(), file: z.string(), etag: z.string(), sizeBytes: z.int() });
type Part = z.infer<typeof partSchema>;

export async function createUpload({ bucket, key, request }: ObjectCall): Promise<Answer> {
  const uploadId = randomUUID();
  const { headers } = request;
  const lockNames = Object.keys(headers).filter((name) => name.startsWith('x-amz-object-lock-'));
  const upload: Upload = {
    key,
    initiatedAt: new Date().toISOString(),
    ...describedBy(headers),
    lock: Object.fromEntries(lockNames.map((name) => [name, header(headers, name)])),
  };
  await mkdir(join(bucket.uploadsFolder, uploadId));
  await writeWhole(join(bucket.uploadsFolder, uploadId, 'upload.json'), upload);
  const result = { Bucket: bucket.settings.name, Key: key, UploadId: uploadId };
  return xmlAnswer(toXml('InitiateMultipartUploadResult', result));
}

export async function uploadPart(call: ObjectCall): Promise<Answer> {
  const number = Number(call.query.get('partNumber'));
  if (!Number.isInteger(number) || number < 1 || number > 10_000) {
    throw new Failure(400, 'InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive');
  }
  const { folder } = await uploadOf(call);
  const received = await receiveFile(call.request, call.bucket.incomingFolder);
  const etag = received.md5.toString('hex');
  const file = `${number}-${randomUUID()}`;
  try {
    await rename(received.path, join(folder, file));
    const part: Part = { number, file, etag, sizeBytes: received.sizeBytes };
    await writeWhole(join(folder, `${number}.json`), part);
  } catch (error) {
    await rm(received.path, { force: true });
    // The upload was completed or aborted while the part was on its way.
    throw error instanceof Error && 'code' in error && error.code === 'ENOENT' ? noSuchUpload() : error;
  }
  const { checksum } = received;
  const checksumHeader = checksum && { [`x-amz-checksum-${checksum.name}`]: checksum.value };
  return { status: 200, headers: { etag: `"${etag}"`, ...checksumHeader } };
}

export async function completeUpload(call: ObjectCall): Promise<Answer> {
  const { folder, upload } = await uploadOf(call);
  const partXml = z.object({ PartNumber: z.coerce.number().int(), ETag: z.string() });
  const schema = z.object({ Part: z.array(partXml).min(1) });
  const wanted = fromXml(await receiveText(call.request), 'CompleteMultipartUpload', schema, ['Part']).Part;
  const parts = chooseParts(
    await partsIn(folder),
    wanted.map(({ PartNumber, ETag }) => ({ number: PartNumber, etag: withoutQuotes(ETag) })),
  );
  const files = [];
  for (const { file, sizeBytes } of parts) {
    files.push({ name: await call.bucket.adopt(join(folder, file)), sizeBytes });
  }
  const hashes = Buffer.concat(parts.map(({ etag }) => Buffer.from(etag, 'hex')));
  const etag = `${createHash('md5').update(hashes).digest('hex')}-${parts.length}`;
  const version = await addVersion(
    call,
    'ObjectCreated:CompleteMultipartUpload',
    {
      contentType: upload.contentType,
      metadata: upload.metadata,
      files,
      sizeBytes: parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      etag,
      checksum: undefined,
    },
    upload.lock,
  );
  await rm(folder, { recursive: true, force: true });
  const result = { Bucket: call.bucket.settings.name, Key: call.key, ETag: `"${etag}"` };
  return xmlAnswer(toXml('CompleteMultipartUploadResult', result), versionHeaders(version));
}

export async function abortUpload(call: ObjectCall): Promise<Answer> {
  const { folder } = await uploadOf(call);
  await rm(folder, { recursive: true, force: true });
  return { status: 204 };
}

export async function listParts(call: ObjectCall): Promise<Answer> {
  const { folder, uploadId } = await uploadOf(call);
  const parts = await partsIn(folder);
  return xmlAnswer(
    toXml('ListPartsResult', {
      Bucket: call.bucket.settings.name,
      Key: call.key,
      UploadId: uploadId,
      IsTruncated: false,
      Part: parts.map(({ number, etag, sizeBytes }) => ({ PartNumber: number, ETag: `"${etag}"`, Size: sizeBytes })),
    }),
  );
}

export async function listUploads({ bucket, query }: BucketCall): Promise<Answer> {
  const prefix = query.get('prefix') ?? '';
  const uploads: Record<string, unknown>[] = [];
  for (const UploadId of await readdir(bucket.uploadsFolder)) {
    const upload = await readUpload(bucket, UploadId);
    if (upload?.key.startsWith(prefix)) {
      uploads.push({ Key: upload.key, UploadId, Initiated: upload.initiatedAt });
    }
  }
  return xmlAnswer(
    toXml('ListMultipartUploadsResult', { Bucket: bucket.settings.name, IsTruncated: false, Upload: uploads }),
  );
}

/** @returns the parts that a client names, in order. Throws as S3 does if they are not those that were sent. */
function chooseParts(sent: readonly Part[], wanted: readonly { number: number; etag: string }[]): Part[] {
  const byNumber = new Map(sent.map((part) => [part.number, part]));
  return wanted.map(({ number, etag }, index) => {
    const part = byNumber.get(number);
    if (part === undefined || part.etag !== etag) {
      throw new Failure(400, 'InvalidPart', `part ${number} was not sent, or with another ETag`);
    }
    if (number <= (wanted[index - 1]?.number ?? 0)) {
      throw new Failure(400, 'InvalidPartOrder');
    }
    if (part.sizeBytes < leastPartBytes && index < wanted.length - 1) {
      throw new Failure(400, 'EntityTooSmall');
    }
    return part;
  });
}

async function uploadOf({ bucket, key, query }: ObjectCall) {
  const uploadId = query.get('uploadId') ?? '';
  const upload = await readUpload(bucket, uploadId);
  if (upload?.key !== key) {
    throw noSuchUpload();
  }
  return { uploadId, upload, folder: join(bucket.uploadsFolder, uploadId) };
}

function noSuchUpload(): Failure {
  return new Failure(404, 'NoSuchUpload');
}

async function readUpload(bucket: Bucket, uploadId: string): Promise<Upload | undefined> {
  if (!z.uuid().safeParse(uploadId).success) {
    return undefined;
  }
  try {
    const text = await readFile(join(bucket.uploadsFolder, uploadId, 'upload.json'), 'utf8');
    return uploadSchema.parse(JSON.parse(text));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return undefined;
    }
    throw error;
  }
}

async function partsIn(folder: string): Promise<Part[]> {
  const documents = (await readdir(folder)).filter((file) => /^\d+\.json$/.test(file));
  const parts = documents.map(async (file) => partSchema.parse(JSON.parse(await readFile(join(folder, file), 'utf8'))));
  return (await Promise.all(parts)).sort((a, b) => a.number - b.number);
}

async function writeWhole(path: string, document: unknown): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  await writeFile(temporary, JSON.stringify(document));
  await rename(temporary, path);
}
