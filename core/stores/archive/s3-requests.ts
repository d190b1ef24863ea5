/** Sending requests to S3 with their errors translated. */
import { S3Client } from '@aws-sdk/client-s3';
import { proxyEnvironment } from '../../environment.ts';
import { throwIfAborted } from '../aborted.ts';
import { telling } from '../activity.ts';
import { s3Error, s3Failure } from './s3-errors.ts';

/** How an S3 server is reached. */
export interface S3Connection {
  /** Address of a server other than AWS; its buckets are then addressed by path. */
  readonly endpoint?: string | undefined;
  /** Default: that of the AWS configuration; `us-east-1` with an endpoint, where it seldom means anything. */
  readonly region?: string | undefined;
  /** Default: the standard chain of AWS: environment, profile, web identity, container, instance role. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

/** What a call of the SDK takes beside its command. */
export interface SendOptions {
  readonly abortSignal?: AbortSignal;
}

const connectionTimeoutMs = 5_000;
/** Longest silence on a connection, in both directions; also while the reader of a body pauses. */
const silenceTimeoutMs = 120_000;
const mostConnections = 64;

/** The client of one storage. */
export class S3Requests {
  readonly client: S3Client;
  readonly #name: string;

  /** `name` is that of the storage, for messages. */
  constructor(name: string, connection: S3Connection) {
    this.#name = name;
    this.client = createClient(connection);
  }

  /** Does one request. Throws a MirrorError. The SDK repeats it up to twice if that can help. */
  async send<T>(signal: AbortSignal | undefined, request: (options: SendOptions) => Promise<T>): Promise<T> {
    throwIfAborted(signal);
    return telling(this.#name, async () => {
      try {
        return await request(signal === undefined ? {} : { abortSignal: signal });
      } catch (error) {
        throw s3Error(this.#name, error, signal);
      }
    });
  }

  /** The same, but @returns the HTTP status of a refusal if it is one of the expected. */
  async sendOr<T, Status extends number>(
    expected: readonly Status[],
    signal: AbortSignal | undefined,
    request: (options: SendOptions) => Promise<T>,
  ): Promise<T | Status> {
    return this.send<T | Status>(signal, async (options) => {
      try {
        return await request(options);
      } catch (error) {
        const { name, status } = s3Failure(error);
        const refusal = expected.find((candidate) => candidate === status);
        // Without its bucket a missing object is no answer but an error.
        if (refusal === undefined || name === 'NoSuchBucket') {
          throw error;
        }
        return refusal;
      }
    });
  }
}

function createClient({ endpoint, region, credentials }: S3Connection): S3Client {
  const knownRegion = region ?? (endpoint === undefined ? undefined : 'us-east-1');
  const { httpProxy, httpsProxy, noProxy } = proxyEnvironment();
  const proxyEnv = { HTTP_PROXY: httpProxy, HTTPS_PROXY: httpsProxy, NO_PROXY: noProxy };
  const agent = { keepAlive: true, maxSockets: mostConnections, proxyEnv };
  return new S3Client({
    ...(knownRegion === undefined ? {} : { region: knownRegion }),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
    ...(credentials === undefined ? {} : { credentials }),
    maxAttempts: 3,
    // Every write sends a Content-MD5 of our own, which every S3 server verifies; many know no newer checksum.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: connectionTimeoutMs,
      socketTimeout: silenceTimeoutMs,
      httpAgent: agent,
      httpsAgent: agent,
    },
  });
}
