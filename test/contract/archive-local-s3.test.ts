/** What our S3 server promises beyond what the archive asks of it: versions, locks, checksums of every kind. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectRetentionCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectLockConfigurationCommand,
  PutObjectRetentionCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ObjectCreated, type S3Server, startS3 } from '../../local/s3/start-s3.ts';

const Bucket = 'bucket';
const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };

let folder: string;
let server: S3Server;
let client: S3Client;
let created: ObjectCreated[];
const start = async () => {
  server = await startS3({ folder, onObjectCreated: (event) => created.push(event) });
  client = new S3Client({ endpoint: server.endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
};
const stop = async () => {
  client.destroy();
  await server.close();
};
beforeEach(async () => {
  created = [];
  folder = await mkdtemp(join(tmpdir(), 's3-'));
  await start();
  await client.send(new CreateBucketCommand({ Bucket }));
});
afterEach(async () => {
  await stop();
  await rm(folder, { recursive: true });
});

const put = (Key: string, Body: string, more: object = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const read = async (Key: string, VersionId?: string) => {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, ...(VersionId && { VersionId }) }));
  return Body?.transformToString();
};

describe('our S3 server', () => {
  it('refuses what lies in no bucket', async () => {
    await expect(client.send(new HeadBucketCommand({ Bucket: 'other' }))).rejects.toMatchObject({ name: 'NotFound' });
    const lost = new PutObjectCommand({ Bucket: 'other', Key: 'x', Body: randomBytes(3_000_000) });
    await expect(client.send(lost)).rejects.toMatchObject({ name: 'NoSuchBucket' });
    const twice = new CreateBucketCommand({ Bucket });
    await expect(client.send(twice)).rejects.toMatchObject({ name: 'BucketAlreadyOwnedByYou' });
  });

  it('keeps objects, metadata and settings when it is started anew', async () => {
    await put('a/b c+d%é', 'kept', { ContentType: 'text/plain', Metadata: { who: 'me' } });
    await stop();
    await start();
    expect(await read('a/b c+d%é')).toBe('kept');
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'a/b c+d%é' }));
    expect(head).toMatchObject({ ContentType: 'text/plain', Metadata: { who: 'me' }, ContentLength: 4 });
  });

  it('tells of each new object', async () => {
    await put('one', '1');
    await client.send(new CopyObjectCommand({ Bucket, Key: 'two', CopySource: `${Bucket}/one` }));
    expect(created).toMatchObject([
      { bucket: Bucket, key: 'one', sizeBytes: 1, eventName: 'ObjectCreated:Put' },
      { bucket: Bucket, key: 'two', sizeBytes: 1, eventName: 'ObjectCreated:Copy' },
    ]);
    expect(await read('two')).toBe('1');
  });

  it('removes the bytes of what was deleted or replaced', async () => {
    await put('one', '1');
    await put('one', '2');
    await put('two', '3');
    const Delete = { Objects: [{ Key: 'one' }, { Key: 'absent' }] };
    const { Deleted } = await client.send(new DeleteObjectsCommand({ Bucket, Delete }));
    expect(Deleted).toHaveLength(2);
    expect(await readdir(join(folder, Bucket, 'bytes'))).toHaveLength(1);
    expect(await readdir(join(folder, Bucket, 'incoming'))).toEqual([]);
  });

  it('answers a request that it does not know with an error', async () => {
    const answer = await fetch(`${server.endpoint}/${Bucket}/one?acl`);
    expect(answer.status).toBe(501);
    expect(await answer.text()).toContain('<Code>NotImplemented</Code>');
  });
});

describe('its checksums', () => {
  const bytes = Buffer.from('123456789');
  // The check values of the catalogue of CRC algorithms, and hashes of node:crypto.
  const values = {
    CRC32: Buffer.from('cbf43926', 'hex').toString('base64'),
    CRC32C: Buffer.from('e3069283', 'hex').toString('base64'),
    CRC64NVME: Buffer.from('ae8b14860a799888', 'hex').toString('base64'),
    SHA1: createHash('sha1').update(bytes).digest('base64'),
    SHA256: createHash('sha256').update(bytes).digest('base64'),
  };

  it.each(Object.entries(values))('accept a right %s and refuse a wrong one', async (name, value) => {
    const Key = 'checked';
    const command = { Bucket, Key, Body: bytes, ChecksumAlgorithm: name as keyof typeof values };
    const wrong = Buffer.from(value, 'base64');
    wrong.writeUInt8(wrong.readUInt8(0) ^ 1, 0);
    const refused = new PutObjectCommand({ ...command, [`Checksum${name}`]: wrong.toString('base64') });
    await expect(client.send(refused)).rejects.toMatchObject({ name: 'BadDigest' });
    await expect(client.send(new HeadObjectCommand({ Bucket, Key }))).rejects.toMatchObject({ name: 'NotFound' });
    await client.send(new PutObjectCommand({ ...command, [`Checksum${name}`]: value }));
    const head = await client.send(new HeadObjectCommand({ Bucket, Key, ChecksumMode: 'ENABLED' }));
    expect(head).toMatchObject({ [`Checksum${name}`]: value });
  });

  it('refuse a wrong Content-MD5', async () => {
    const ContentMD5 = createHash('md5').update('other').digest('base64');
    await expect(put('checked', 'x', { ContentMD5 })).rejects.toMatchObject({ name: 'BadDigest' });
  });

  it('are verified in trailers of chunked bodies, as the SDK sends streams', async () => {
    const large = randomBytes(12_000_000);
    const body = async function* () {
      yield large.subarray(0, 7_000_000);
      yield large.subarray(7_000_000);
    };
    const upload = new Upload({ client, params: { Bucket, Key: 'streamed', Body: Readable.from(body()) } });
    await upload.done();
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'streamed' }));
    expect(large.equals((await Body?.transformToByteArray()) ?? Buffer.alloc(0))).toBe(true);
  });

  it.each([
    ['a right trailer', 'y/Q5Jg==', 200],
    ['a wrong trailer', 'AAAAAA==', 400],
  ])('decode aws-chunked bodies with %s', async (_, trailer, status) => {
    const body = `4;chunk-signature=0\r\n1234\r\n5\r\n56789\r\n0\r\nx-amz-checksum-crc32:${trailer}\r\n\r\n`;
    const answer = await fetch(`${server.endpoint}/${Bucket}/chunked`, {
      method: 'PUT',
      body,
      headers: {
        'content-encoding': 'aws-chunked',
        'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'x-amz-decoded-content-length': '9',
        'x-amz-trailer': 'x-amz-checksum-crc32',
      },
    });
    expect(answer.status).toBe(status);
    await (status === 200
      ? expect(read('chunked')).resolves.toBe('123456789')
      : expect(read('chunked')).rejects.toMatchObject({ name: 'NoSuchKey' }));
  });

  it('are not reached by a body that is cut', async () => {
    const socket = connect(Number(new URL(server.endpoint).port), '127.0.0.1');
    socket.write(`PUT /${Bucket}/cut HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this`);
    const closed = once(socket, 'close');
    socket.resume();
    socket.end();
    await closed;
    await expect(read('cut')).rejects.toMatchObject({ name: 'NoSuchKey' });
  });
});

describe('its multipart uploads', () => {
  const part = randomBytes(5 * 1024 * 1024);
  const begin = async () => {
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts' }));
    return { Bucket, Key: 'parts', UploadId };
  };
  const send = async (upload: Awaited<ReturnType<typeof begin>>, PartNumber: number, Body: Uint8Array) => {
    const { ETag } = await client.send(new UploadPartCommand({ ...upload, PartNumber, Body }));
    return { PartNumber, ETag };
  };

  it('consist of the parts that were sent last, in order', async () => {
    const upload = await begin();
    const last = await send(upload, 7, Buffer.from('end'));
    await send(upload, 2, randomBytes(10));
    const first = await send(upload, 2, part);
    const { Parts } = await client.send(new ListPartsCommand(upload));
    expect(Parts).toMatchObject([
      { PartNumber: 2, Size: part.length },
      { PartNumber: 7, Size: 3 },
    ]);
    await stop();
    await start();
    const MultipartUpload = { Parts: [first, last] };
    await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload }));
    const { Body, ETag } = await client.send(new GetObjectCommand({ Bucket, Key: 'parts' }));
    const whole = Buffer.concat([part, Buffer.from('end')]);
    expect(whole.equals((await Body?.transformToByteArray()) ?? Buffer.alloc(0))).toBe(true);
    expect(ETag).toMatch(/^"[0-9a-f]{32}-2"$/);
    const Range = `bytes=${part.length - 1}-${part.length}`;
    const ranged = await client.send(new GetObjectCommand({ Bucket, Key: 'parts', Range }));
    const acrossParts = (await ranged.Body?.transformToByteArray()) ?? Buffer.alloc(0);
    expect(whole.subarray(part.length - 1, part.length + 1).equals(acrossParts)).toBe(true);
  });

  it('are refused if parts are wrong, missing, too small or out of order', async () => {
    const upload = await begin();
    const [first, second] = [await send(upload, 1, Buffer.from('small')), await send(upload, 2, part)];
    const complete = (Parts: object[]) =>
      client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }));
    await expect(complete([first, second])).rejects.toMatchObject({ name: 'EntityTooSmall' });
    await expect(complete([second, first])).rejects.toMatchObject({ name: 'InvalidPartOrder' });
    await expect(complete([{ ...first, ETag: '"0"' }])).rejects.toMatchObject({ name: 'InvalidPart' });
    await expect(complete([{ ...second, PartNumber: 3 }])).rejects.toMatchObject({ name: 'InvalidPart' });
    await expect(read('parts')).rejects.toMatchObject({ name: 'NoSuchKey' });
  });
});

describe('its versions', () => {
  beforeEach(() =>
    client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } })),
  );

  it('are all kept, and hidden behind a delete marker', async () => {
    const { VersionId: first = '' } = await put('one', '1');
    const { VersionId: second = '' } = await put('one', '2');
    expect(await read('one')).toBe('2');
    expect(await read('one', first)).toBe('1');
    const { VersionId: marker = '', DeleteMarker } = await client.send(new DeleteObjectCommand({ Bucket, Key: 'one' }));
    expect(DeleteMarker).toBe(true);
    await expect(read('one')).rejects.toMatchObject({ name: 'NoSuchKey' });
    expect(await read('one', second)).toBe('2');
    const { Versions, DeleteMarkers } = await client.send(new ListObjectVersionsCommand({ Bucket }));
    expect(Versions?.map(({ VersionId, IsLatest }) => [VersionId, IsLatest])).toEqual([
      [second, false],
      [first, false],
    ]);
    expect(DeleteMarkers).toMatchObject([{ Key: 'one', VersionId: marker, IsLatest: true }]);
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'one', VersionId: marker }));
    expect(await read('one')).toBe('2');
  });

  it('count for conditions only while they are not deleted', async () => {
    await put('one', '1');
    await expect(put('one', '2', { IfNoneMatch: '*' })).rejects.toMatchObject({ name: 'PreconditionFailed' });
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'one' }));
    await put('one', '3', { IfNoneMatch: '*' });
    expect(await read('one')).toBe('3');
  });
});

describe('its object lock', () => {
  const locked = { Bucket: 'locked', Key: 'one' };
  const inAnHour = () => new Date(Date.now() + 3_600_000);
  beforeEach(() => client.send(new CreateBucketCommand({ Bucket: 'locked', ObjectLockEnabledForBucket: true })));
  const remove = (VersionId: string, BypassGovernanceRetention = false) =>
    client.send(new DeleteObjectCommand({ ...locked, VersionId, BypassGovernanceRetention }));
  const putLocked = async (more: object = {}) => {
    const { VersionId = '' } = await client.send(new PutObjectCommand({ ...locked, Body: 'x', ...more }));
    return VersionId;
  };

  it('keeps a version until its time, in compliance mode from everybody', async () => {
    const compliance = { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: inAnHour() };
    const id = await putLocked(compliance);
    await expect(remove(id)).rejects.toMatchObject({ name: 'AccessDenied' });
    await expect(remove(id, true)).rejects.toMatchObject({ name: 'AccessDenied' });
    const Retention = { Mode: 'COMPLIANCE' as const, RetainUntilDate: new Date() };
    const shorter = new PutObjectRetentionCommand({ ...locked, VersionId: id, Retention });
    await expect(client.send(shorter)).rejects.toMatchObject({ name: 'AccessDenied' });
  });

  it('lets those who may bypass governance delete', async () => {
    const id = await putLocked({ ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: inAnHour() });
    await expect(remove(id)).rejects.toMatchObject({ name: 'AccessDenied' });
    await remove(id, true);
  });

  it('keeps a version under legal hold', async () => {
    const id = await putLocked();
    await client.send(new PutObjectLegalHoldCommand({ ...locked, LegalHold: { Status: 'ON' } }));
    await expect(remove(id, true)).rejects.toMatchObject({ name: 'AccessDenied' });
    await client.send(new PutObjectLegalHoldCommand({ ...locked, LegalHold: { Status: 'OFF' } }));
    await remove(id);
  });

  it('locks new versions as the bucket says', async () => {
    const DefaultRetention = { Mode: 'GOVERNANCE' as const, Days: 30 };
    const ObjectLockConfiguration = { ObjectLockEnabled: 'Enabled' as const, Rule: { DefaultRetention } };
    await client.send(new PutObjectLockConfigurationCommand({ Bucket: 'locked', ObjectLockConfiguration }));
    await putLocked();
    const { Retention } = await client.send(new GetObjectRetentionCommand(locked));
    expect(Retention?.Mode).toBe('GOVERNANCE');
    expect((Retention?.RetainUntilDate?.getTime() ?? 0) - Date.now()).toBeGreaterThan(29.9 * 86_400_000);
  });
});
