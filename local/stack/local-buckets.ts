/** The buckets of a template, on an S3 server in this process that keeps them in a folder. */
import { type S3Server, startS3 } from '../s3/start-s3.ts';
import type { BucketResource } from './template.ts';

const versioningEnabled =
  '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>';

export class LocalBuckets {
  readonly endpoint: string;
  readonly #server: S3Server;

  private constructor(server: S3Server) {
    this.#server = server;
    this.endpoint = server.endpoint;
  }

  /** Starts the server on a free port and creates the buckets; those that are in the folder already are kept. */
  static async start(buckets: readonly BucketResource[], folder: string): Promise<LocalBuckets> {
    const server = await startS3({ folder });
    try {
      for (const bucket of buckets) {
        await create(server.endpoint, bucket);
      }
    } catch (error) {
      await server.close();
      throw error;
    }
    return new LocalBuckets(server);
  }

  /** How a bucket is called here: names of buckets are lower case, logical ids are not. */
  static nameOf(logicalId: string): string {
    return logicalId.toLowerCase();
  }

  stop(): Promise<void> {
    return this.#server.close();
  }
}

async function create(endpoint: string, { logicalId, versioned }: BucketResource): Promise<void> {
  const url = `${endpoint}/${LocalBuckets.nameOf(logicalId)}`;
  await put(url, undefined, [200, 409]);
  if (versioned) {
    await put(`${url}?versioning`, versioningEnabled, [200]);
  }
}

async function put(url: string, body: string | undefined, expected: readonly number[]): Promise<void> {
  const answer = await fetch(url, { method: 'PUT', ...(body === undefined ? {} : { body }) });
  if (!expected.includes(answer.status)) {
    throw new Error(`the local S3 server answers ${answer.status} to PUT ${url}`);
  }
}
