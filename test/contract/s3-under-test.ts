/**
 * The S3 server that tests of S3 use: our own on a temporary folder, or the one that the environment names:
 * `TEST_S3_ENDPOINT`, `TEST_S3_BUCKET` (which must exist), and the credentials and region of AWS's own variables. In a
 * named bucket each test uses a prefix of its own, and removes it.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { S3Objects, type S3ObjectsOptions } from '../../core/stores/archive/s3-objects.ts';
import { startS3 } from '../../local/s3/start-s3.ts';

const localCredentials = { accessKeyId: 'test', secretAccessKey: 'test' };

/** A place in S3, empty when made. */
export interface PlaceInS3 {
  readonly options: S3ObjectsOptions;
  readonly client: S3Client;
  countUnfinishedUploads(): Promise<number>;
  /** Removes what lies in the place. */
  remove(): Promise<void>;
}

/** A server with a bucket, shared by the tests of a file. */
export interface S3UnderTest {
  newPlace(): PlaceInS3;
  close(): Promise<void>;
}

export async function startS3UnderTest(): Promise<S3UnderTest> {
  const { TEST_S3_ENDPOINT: endpoint, TEST_S3_BUCKET: bucket } = process.env;
  return endpoint !== undefined && bucket !== undefined ? useServer({ endpoint, bucket }) : startOwnServer();
}

async function startOwnServer(): Promise<S3UnderTest> {
  const folder = await mkdtemp(join(tmpdir(), 's3-'));
  const server = await startS3({ folder });
  const used = useServer({ endpoint: server.endpoint, bucket: 'archive', credentials: localCredentials });
  const client = clientOf({ endpoint: server.endpoint, bucket: 'archive', credentials: localCredentials });
  await client.send(new CreateBucketCommand({ Bucket: 'archive' }));
  client.destroy();
  return {
    newPlace: () => used.newPlace(),
    async close() {
      await used.close();
      await server.close();
      await rm(folder, { recursive: true });
    },
  };
}

function useServer(server: S3ObjectsOptions): S3UnderTest {
  const client = clientOf(server);
  return {
    newPlace() {
      const prefix = `test-${randomUUID()}/`;
      return {
        options: { ...server, prefix },
        client,
        async countUnfinishedUploads() {
          const answer = await client.send(new ListMultipartUploadsCommand({ Bucket: server.bucket, Prefix: prefix }));
          return answer.Uploads?.length ?? 0;
        },
        async remove() {
          const objects = new S3Objects({ ...server, prefix });
          for await (const { key } of objects.list('')) {
            await objects.delete(key);
          }
          await objects.close();
        },
      };
    },
    async close() {
      client.destroy();
    },
  };
}

function clientOf({ endpoint, region, credentials }: S3ObjectsOptions): S3Client {
  return new S3Client({
    region: region ?? 'us-east-1',
    forcePathStyle: true,
    ...(endpoint && { endpoint }),
    ...(credentials && { credentials }),
  });
}
