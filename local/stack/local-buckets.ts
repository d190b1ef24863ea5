/** The buckets of a template, on an S3 server in this process that keeps them in a folder. */
import type { IsAllowed } from '../s3/access.ts';
import { type ObjectCreated, type S3Server, startS3 } from '../s3/start-s3.ts';
import type { BucketResource } from './template.ts';

const versioningEnabled =
  '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Status>Enabled</Status></VersioningConfiguration>';

export interface LocalBucketsOptions {
  /** Sends a notification of S3 to a queue, by its logical id. */
  readonly notify?: (queue: string, notification: string) => void;
  /** Decides who may do what; default: everybody everything. */
  readonly isAllowed?: IsAllowed;
}

export class LocalBuckets {
  readonly endpoint: string;
  readonly #server: S3Server;

  private constructor(server: S3Server) {
    this.#server = server;
    this.endpoint = server.endpoint;
  }

  /** Starts the server on a free port and creates the buckets; those that are in the folder already are kept. */
  static async start(
    buckets: readonly BucketResource[],
    folder: string,
    { notify = () => undefined, isAllowed = () => true }: LocalBucketsOptions = {},
  ): Promise<LocalBuckets> {
    const server = await startS3({ folder, isAllowed, onObjectCreated: (event) => tell(event, buckets, notify) });
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

/** Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html */
function tell(
  { bucket, key, sizeBytes, etag, versionId, eventName }: ObjectCreated,
  buckets: readonly BucketResource[],
  notify: (queue: string, notification: string) => void,
): void {
  const found = buckets.find(({ logicalId }) => LocalBuckets.nameOf(logicalId) === bucket);
  const object = { key: encodeURIComponent(key).replaceAll('%20', '+'), size: sizeBytes, eTag: etag, versionId };
  const record = { eventSource: 'aws:s3', eventName, s3: { bucket: { name: bucket }, object } };
  for (const { queue, prefix } of found?.notifications ?? []) {
    if (key.startsWith(prefix)) {
      notify(queue, JSON.stringify({ Records: [record] }));
    }
  }
}

function lockOf({ mode, days }: NonNullable<BucketResource['defaultRetention']>): string {
  const rule = `<Rule><DefaultRetention><Mode>${mode}</Mode><Days>${days}</Days></DefaultRetention></Rule>`;
  return `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>${rule}</ObjectLockConfiguration>`;
}

async function create(endpoint: string, { logicalId, versioned, defaultRetention }: BucketResource): Promise<void> {
  const url = `${endpoint}/${LocalBuckets.nameOf(logicalId)}`;
  await put(url, undefined, [200, 409]);
  if (versioned) {
    await put(`${url}?versioning`, versioningEnabled, [200]);
  }
  if (defaultRetention !== undefined) {
    await put(`${url}?object-lock`, lockOf(defaultRetention), [200]);
  }
}

async function put(url: string, body: string | undefined, expected: readonly number[]): Promise<void> {
  const answer = await fetch(url, { method: 'PUT', ...(body === undefined ? {} : { body }) });
  if (!expected.includes(answer.status)) {
    throw new Error(`the local S3 server answers ${answer.status} to PUT ${url}`);
  }
}
