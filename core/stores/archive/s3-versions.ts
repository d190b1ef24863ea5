/** Single versions of objects in a versioned bucket of S3: read, copied and removed without touching any other. */

import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import type { CallOptions } from '../../call-options.ts';
import { MirrorError } from '../../errors.ts';
import { md5Of } from '../../identifiers.ts';
import { printableJson } from '../../printable.ts';
import type { OpenObject } from './object-storage.ts';
import { s3Body } from './s3-body.ts';
import { uploadInParts } from './s3-multipart.ts';
import { type S3Connection, S3Requests } from './s3-requests.ts';

/** One version of one object. */
export interface ObjectVersion {
  readonly key: string;
  readonly versionId: string;
}

/**
 * @returns a key that S3 wrote as in a form, in notifications and listings: a key may hold what XML cannot. Throws
 *   `answer-malformed`, which does not repeat the key.
 */
export function decodeKey(encoded: string): string {
  try {
    return decodeURIComponent(encoded.replaceAll('+', ' '));
  } catch (cause) {
    throw new MirrorError('answer-malformed', 'the storage names an object in a form that nobody can read', { cause });
  }
}

export interface S3VersionsOptions extends S3Connection {
  readonly bucket: string;
  /** How the bucket is called in messages. */
  readonly name: string;
  /** Larger objects are copied in parts. Default: the most that S3 copies by itself. */
  readonly largestCopyBytes?: number;
}

/** Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html */
const largestCopyBytes = 5 * 1024 ** 3;
const partBytes = 8 * 1024 * 1024;

/** Every call throws a MirrorError, whose message holds no key: keys may hold names of patients. */
export class S3Versions {
  readonly #bucket: string;
  readonly #name: string;
  readonly #requests: S3Requests;
  readonly #largestCopyBytes: number;

  constructor(options: S3VersionsOptions) {
    this.#bucket = options.bucket;
    this.#name = options.name;
    this.#requests = new S3Requests(options.name, options);
    this.#largestCopyBytes = options.largestCopyBytes ?? largestCopyBytes;
  }

  /** @returns the size of a version in bytes; `undefined` if there is no such version any more */
  async sizeOf(version: ObjectVersion, { signal }: CallOptions = {}): Promise<number | undefined> {
    const command = new HeadObjectCommand(this.#at(version));
    const answer = await this.#requests.sendOr([404], signal, (call) => this.#requests.client.send(command, call));
    return answer === 404 ? undefined : (answer.ContentLength ?? 0);
  }

  /** Starts reading. Throws `vanished` if there is no such version any more. */
  async open(version: ObjectVersion, { signal }: CallOptions = {}): Promise<Pick<OpenObject, 'body' | 'cancel'>> {
    const command = new GetObjectCommand(this.#at(version));
    const answer = await this.#requests.sendOr([404], signal, (call) => this.#requests.client.send(command, call));
    if (answer === 404) {
      throw new MirrorError('vanished', `${this.#name}: an object is not there any more`);
    }
    const { Body: body, ContentLength: bodyBytes } = answer;
    if (!(body instanceof Readable) || bodyBytes === undefined) {
      throw new MirrorError('answer-malformed', `${this.#name}: the storage answered without a length`);
    }
    return s3Body(this.#name, body, bodyBytes, signal);
  }

  /** Copies a version within the bucket; what is under `toKey` becomes an older version. */
  async copy(version: ObjectVersion, toKey: string, sizeBytes: number, { signal }: CallOptions = {}): Promise<void> {
    if (sizeBytes > this.#largestCopyBytes) {
      const target = { requests: this.#requests, bucket: this.#bucket, key: toKey };
      const { body, cancel } = await this.open(version, { signal });
      try {
        await uploadInParts(target, body, { sizeBytes, partBytes, supersedes: true, contentType: undefined, signal });
      } finally {
        cancel();
      }
      return;
    }
    const source = `${this.#bucket}/${version.key}`.split('/').map(encodeURIComponent).join('/');
    const command = new CopyObjectCommand({
      Bucket: this.#bucket,
      Key: toKey,
      CopySource: `${source}?versionId=${encodeURIComponent(version.versionId)}`,
      // Copying tags would need permissions of its own.
      TaggingDirective: 'REPLACE',
    });
    await this.#requests.send(signal, (call) => this.#requests.client.send(command, call));
  }

  /** Writes a small JSON document; what is under the key becomes an older version. */
  async writeJson(key: string, document: object, { signal }: CallOptions = {}): Promise<void> {
    // It may hold names that the senders gave.
    const bytes = Buffer.from(`${printableJson(document, 2)}\n`);
    const command = new PutObjectCommand({
      Bucket: this.#bucket,
      Key: key,
      Body: bytes,
      ContentType: 'application/json',
      ContentMD5: Buffer.from(md5Of(bytes), 'hex').toString('base64'),
    });
    await this.#requests.send(signal, (call) => this.#requests.client.send(command, call));
  }

  /** Removes a version for good, if it is there. A newer one under the same key stays. */
  async remove(version: ObjectVersion, { signal }: CallOptions = {}): Promise<void> {
    const command = new DeleteObjectCommand(this.#at(version));
    await this.#requests.send(signal, (call) => this.#requests.client.send(command, call));
  }

  close(): void {
    this.#requests.client.destroy();
  }

  #at({ key, versionId }: ObjectVersion): { Bucket: string; Key: string; VersionId: string } {
    return { Bucket: this.#bucket, Key: key, VersionId: versionId };
  }
}
