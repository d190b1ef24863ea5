/** Objects in a bucket of S3, or of any server that speaks its protocol with conditional writes. */
import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  type ListObjectsV2CommandOutput,
  PutObjectCommand,
  type PutObjectCommandInput,
  RestoreObjectCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { CallOptions } from '../../call-options.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import { type Md5, md5Of } from '../../identifiers.ts';
import { throwIfAborted } from '../aborted.ts';
import type { InstanceBytes } from '../store.ts';
import { checkKey } from './key-check.ts';
import { compareKeys } from './key-order.ts';
import { isReplaced } from './keys.ts';
import type {
  GetOptions,
  ListOptions,
  ObjectEntry,
  ObjectStorage,
  OpenObject,
  PutOptions,
  Thawed,
} from './object-storage.ts';
import { s3Body } from './s3-body.ts';
import { s3Failure } from './s3-errors.ts';
import { uploadInParts } from './s3-multipart.ts';
import { type S3Connection, S3Requests } from './s3-requests.ts';
import { collectVerified, verifiedBody } from './verified-body.ts';

/** In a row: a page may be empty because it stands for a thousand deleted objects. */
const mostEmptyPages = 1000;
const defaultPartBytes = 8 * 1024 * 1024;
/** Under object lock, every version of a document that is replaced is kept for so long, whatever the term of the bucket. */
const replacedRetentionMs = 24 * 3_600_000;
/** How long a copy of a cold object stays. */
const thawedDays = 7;
/** Classes from which bytes come at once. Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html */
const warmClasses: ReadonlySet<string> = new Set([
  'STANDARD',
  'STANDARD_IA',
  'ONEZONE_IA',
  'REDUCED_REDUNDANCY',
  'INTELLIGENT_TIERING',
  'GLACIER_IR',
]);
/** Metadata by which a writer of state knows its own document again, if the answer to its write was lost. */
const writeIdName = 'write-id';

export interface S3ObjectsOptions extends S3Connection {
  readonly bucket: string;
  /** What all keys begin with; empty, or ending in `/`. */
  readonly prefix?: string | undefined;
  /** How the place is called in messages. Default: its `s3://` address. */
  readonly name?: string | undefined;
  /** Objects of up to this size are sent in one request; larger ones in parts of it. At least 5 MiB; default 8 MiB. */
  readonly partBytes?: number | undefined;
  /**
   * Mode of the default retention of the bucket, if it has one. Documents that are replaced every minute are then locked
   * for a day and not for its term. Needs `s3:PutObjectRetention` for them.
   */
  readonly objectLock?: 'governance' | 'compliance' | undefined;
}

/** The credentials need `s3:GetObject`, `s3:PutObject`, `s3:ListBucket` and `s3:AbortMultipartUpload`, no more. */
export class S3Objects implements ObjectStorage {
  readonly name: string;
  readonly #requests: S3Requests;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #partBytes: number;
  readonly #objectLock: S3ObjectsOptions['objectLock'];

  constructor(options: S3ObjectsOptions) {
    this.#bucket = options.bucket;
    this.#prefix = options.prefix ?? '';
    this.name = options.name ?? `s3://${this.#bucket}/${this.#prefix}`;
    this.#partBytes = options.partBytes ?? defaultPartBytes;
    this.#objectLock = options.objectLock;
    this.#requests = new S3Requests(this.name, options);
  }

  async prepare(options: CallOptions = {}): Promise<void> {
    const command = new HeadBucketCommand({ Bucket: this.#bucket });
    const answer = await this.#requests.sendOr([404], options.signal, (call) =>
      this.#requests.client.send(command, call),
    );
    if (answer === 404) {
      throw new MirrorError('configuration', `${this.name}: there is no such bucket; create it, or check its name`);
    }
  }

  async anchor(): Promise<void> {}

  async putOnce(key: string, bytes: InstanceBytes, options: PutOptions): Promise<'created' | 'exists'> {
    checkKey(key);
    throwIfAborted(options.signal);
    if (options.sizeBytes <= this.#partBytes) {
      const outcome = await this.#putInOne(key, await collectVerified(bytes, options), options);
      return outcome === 'conflict' ? this.#existsOrBusy(key, options) : outcome;
    }
    if ((await this.head(key, options)) !== undefined) {
      return 'exists';
    }
    const target = { requests: this.#requests, bucket: this.#bucket, key: this.#prefix + key };
    const body = verifiedBody(bytes, options);
    const { sizeBytes, contentType, signal } = options;
    const outcome = await uploadInParts(target, body, { sizeBytes, contentType, signal, partBytes: this.#partBytes });
    if (outcome === 'created') {
      await this.#checkSize(key, options);
    }
    return outcome === 'conflict' ? this.#existsOrBusy(key, options) : outcome;
  }

  async get(key: string, options: GetOptions = {}): Promise<OpenObject | undefined> {
    const { range, signal } = options;
    const command = new GetObjectCommand({
      ...this.#at(key),
      ...(range && { Range: `bytes=${range.first}-${range.last}` }),
    });
    const answer = await this.#requests.sendOr([404, 416], signal, (call) => this.#requests.client.send(command, call));
    if (answer === 404) {
      return undefined;
    }
    if (answer === 416) {
      return withoutBody(await this.head(key, options));
    }
    const { Body: body, ContentLength: bodyBytes, ContentRange: contentRange } = answer;
    if (!(body instanceof Readable) || bodyBytes === undefined) {
      throw new MirrorError('answer-malformed', `${this.name}: the storage answered without a length`);
    }
    const sizeBytes = contentRange === undefined ? bodyBytes : Number(contentRange.split('/')[1]);
    return { ...objectEntry(key, sizeBytes, answer), bodyBytes, ...s3Body(this.name, body, bodyBytes, signal) };
  }

  async head(key: string, options: CallOptions = {}): Promise<ObjectEntry | undefined> {
    const answer = await this.#head(key, options);
    return answer && objectEntry(key, answer.ContentLength, answer);
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectEntry> {
    for await (const page of this.#pages(prefix, options.after, {}, options.signal)) {
      for (const object of page.Contents ?? []) {
        yield objectEntry(this.#keyOf(object.Key), object.Size, object);
      }
    }
  }

  async *listFolders(prefix: string, options: ListOptions = {}): AsyncGenerator<string> {
    const { after, signal } = options;
    // Begins right behind the given folder instead of within it: '0' is the character that follows '/'.
    const startAfter = after?.endsWith('/') ? `${after.slice(0, -1)}0` : after;
    for await (const page of this.#pages(prefix, startAfter, { Delimiter: '/' }, signal)) {
      for (const folder of page.CommonPrefixes ?? []) {
        yield this.#keyOf(folder.Prefix);
      }
    }
  }

  async replaceIf(
    key: string,
    bytes: Uint8Array,
    expectedEtag: string | null,
    options: CallOptions = {},
  ): Promise<{ readonly etag: string } | 'changed'> {
    const writeId = randomUUID();
    const command = new PutObjectCommand({
      ...this.#at(key),
      ...checkedBody(bytes, md5Of(bytes)),
      ...(expectedEtag === null ? { IfNoneMatch: '*' } : { IfMatch: expectedEtag }),
      ContentType: 'application/json',
      Metadata: { [writeIdName]: writeId },
      ...this.#retentionOf(key),
    });
    const answer = await this.#requests.sendOr([404, 409, 412], options.signal, (call) =>
      this.#requests.client.send(command, call),
    );
    if (typeof answer !== 'number') {
      return { etag: knownEtag(answer.ETag) };
    }
    const present = await this.#head(key, options);
    const presentEtag = present === undefined ? null : knownEtag(present.ETag);
    if (presentEtag !== null && present?.Metadata?.[writeIdName] === writeId) {
      return { etag: presentEtag };
    }
    if (presentEtag !== expectedEtag) {
      return 'changed';
    }
    throw new MirrorError('busy', `${this.name}: another process is writing the same document`);
  }

  async supersede(key: string, bytes: InstanceBytes, options: PutOptions & { readonly md5: Md5 }): Promise<void> {
    checkKey(key);
    await this.#requireVersions(options);
    await this.#overwrite(key, bytes, options).catch((error: unknown) => {
      if (!isMirrorError(error, 'forbidden')) throw error;
      throw new MirrorError(
        'forbidden',
        `${this.name}: these credentials may not put right bytes in the place of damaged ones; the bucket of a stack lets only the role do so that cloud.repairRole names`,
        { cause: error },
      );
    });
  }

  async #overwrite(key: string, bytes: InstanceBytes, options: PutOptions & { readonly md5: Md5 }): Promise<void> {
    if (options.sizeBytes <= this.#partBytes) {
      const command = new PutObjectCommand({
        ...this.#at(key),
        ...checkedBody(await collectVerified(bytes, options), options.md5),
        ContentType: options.contentType,
      });
      await this.#requests.send(options.signal, (call) => this.#requests.client.send(command, call));
      return;
    }
    const target = { requests: this.#requests, bucket: this.#bucket, key: this.#prefix + key };
    const { sizeBytes, contentType, signal } = options;
    const upload = { sizeBytes, contentType, signal, partBytes: this.#partBytes, supersedes: true };
    await uploadInParts(target, verifiedBody(bytes, options), upload);
    await this.#checkSize(key, options);
  }

  /** The deletion is a version of its own; those before it stay. */
  async setAside(key: string, options: CallOptions = {}): Promise<void> {
    await this.#requireVersions(options);
    if ((await this.head(key, options)) !== undefined) {
      await this.delete(key, options);
    }
  }

  async delete(key: string, options: CallOptions = {}): Promise<void> {
    const command = new DeleteObjectCommand(this.#at(key));
    await this.#requests.send(options.signal, (call) => this.#requests.client.send(command, call));
  }

  async addressFor(key: string, seconds: number): Promise<string> {
    return getSignedUrl(this.#requests.client, new GetObjectCommand(this.#at(key)), { expiresIn: seconds });
  }

  async thaw(key: string, options: CallOptions = {}): Promise<Thawed> {
    const { Restore = '', StorageClass = 'STANDARD', ArchiveStatus } = (await this.#head(key, options)) ?? {};
    if (Restore.includes('ongoing-request="true"')) return 'under-way';
    if (Restore !== '' || (warmClasses.has(StorageClass) && ArchiveStatus === undefined)) return 'readable';
    const RestoreRequest = { Days: thawedDays, GlacierJobParameters: { Tier: 'Bulk' as const } };
    const command = new RestoreObjectCommand({ ...this.#at(key), RestoreRequest });
    return this.#requests.send(options.signal, async (call) => {
      try {
        await this.#requests.client.send(command, call);
        return 'asked';
      } catch (error) {
        if (s3Failure(error).name !== 'RestoreAlreadyInProgress') throw error;
        return 'under-way';
      }
    });
  }

  async close(): Promise<void> {
    this.#requests.client.destroy();
  }

  async #requireVersions(options: CallOptions): Promise<void> {
    const command = new GetBucketVersioningCommand({ Bucket: this.#bucket });
    const { Status } = await this.#requests.send(options.signal, (call) => this.#requests.client.send(command, call));
    if (Status === 'Enabled') return;
    throw new MirrorError(
      'configuration',
      `${this.name} keeps no versions, so a damaged object cannot be put right without losing it; ` +
        'enable versioning of the bucket and repeat',
    );
  }

  async #putInOne(key: string, bytes: Uint8Array, options: PutOptions): Promise<'created' | 'exists' | 'conflict'> {
    const command = new PutObjectCommand({
      ...this.#at(key),
      ...checkedBody(bytes, options.md5 ?? md5Of(bytes)),
      ContentType: options.contentType,
      IfNoneMatch: '*',
    });
    const answer = await this.#requests.sendOr([409, 412], options.signal, (call) =>
      this.#requests.client.send(command, call),
    );
    return answer === 409 ? 'conflict' : answer === 412 ? 'exists' : 'created';
  }

  /** Decides what a write is told that met another write of the same key. */
  async #existsOrBusy(key: string, options: CallOptions): Promise<'exists'> {
    if ((await this.head(key, options)) === undefined) {
      throw new MirrorError('busy', `${this.name}: another process is writing the same object`);
    }
    return 'exists';
  }

  async #checkSize(key: string, options: PutOptions): Promise<void> {
    const stored = await this.head(key, options);
    if (stored?.sizeBytes !== options.sizeBytes) {
      throw new MirrorError(
        'hash-wrong',
        `${this.name}: the storage holds ${stored?.sizeBytes ?? 'none'} of the ${options.sizeBytes} bytes it confirmed`,
      );
    }
  }

  #head(key: string, options: CallOptions): Promise<HeadObjectCommandOutput | undefined> {
    const command = new HeadObjectCommand(this.#at(key));
    return this.#requests
      .sendOr([404], options.signal, (call) => this.#requests.client.send(command, call))
      .then((answer) => (answer === 404 ? undefined : answer));
  }

  /**
   * Yields the pages of a listing, asking for the next one while the reader is busy with this one. Throws
   * `answer-malformed` for a page that does not get on: a storage that repeats itself would be asked without end.
   */
  async *#pages(
    prefix: string,
    after: string | undefined,
    parameters: Partial<ListObjectsV2CommandInput>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<ListObjectsV2CommandOutput> {
    const request = (token?: string) => {
      const command = new ListObjectsV2Command({
        ...parameters,
        Bucket: this.#bucket,
        Prefix: this.#prefix + prefix,
        ...(token === undefined ? after && { StartAfter: this.#prefix + after } : { ContinuationToken: token }),
      });
      const page = this.#requests.send(signal, (call) => this.#requests.client.send(command, call));
      // Thrown where it is awaited; a reader that leaves before must not be hit by it.
      page.catch(() => undefined);
      return page;
    };
    let last = '';
    let emptyPages = 0;
    for (let next: ReturnType<typeof request> | undefined = request(); next !== undefined; ) {
      const page: ListObjectsV2CommandOutput = await next;
      const keys = [page.Contents?.at(-1)?.Key, page.CommonPrefixes?.at(-1)?.Prefix].filter((key) => key !== undefined);
      const before = last;
      for (const key of keys) if (compareKeys(key, last) > 0) last = key;
      emptyPages = keys.length === 0 ? emptyPages + 1 : 0;
      if ((keys.length > 0 && last === before) || emptyPages > mostEmptyPages) {
        const what = 'the storage repeats itself in a listing; is there a cache or proxy before it?';
        throw new MirrorError('answer-malformed', `${this.name}: ${what}`, { disposition: 'halt' });
      }
      if (page.IsTruncated && page.NextContinuationToken === undefined) {
        throw new MirrorError('answer-malformed', `${this.name}: the storage cut a listing short`);
      }
      next = page.IsTruncated ? request(page.NextContinuationToken) : undefined;
      throwIfAborted(signal);
      yield page;
    }
  }

  /** An explicit retention takes the place of the bucket's default (S3 User Guide, "Object Lock: retention periods"). */
  #retentionOf(key: string): Pick<PutObjectCommandInput, 'ObjectLockMode' | 'ObjectLockRetainUntilDate'> {
    if (this.#objectLock === undefined || !isReplaced(key)) return {};
    const mode = this.#objectLock === 'compliance' ? 'COMPLIANCE' : 'GOVERNANCE';
    return { ObjectLockMode: mode, ObjectLockRetainUntilDate: new Date(Date.now() + replacedRetentionMs) };
  }

  #at(key: string): { Bucket: string; Key: string } {
    checkKey(key);
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }

  #keyOf(fullKey: string | undefined): string {
    return (fullKey ?? '').slice(this.#prefix.length);
  }
}

/** A body with the checksum that every S3 server verifies before it accepts the object. */
function checkedBody(bytes: Uint8Array, md5: Md5): { Body: Uint8Array; ContentLength: number; ContentMD5: string } {
  return { Body: bytes, ContentLength: bytes.length, ContentMD5: Buffer.from(md5, 'hex').toString('base64') };
}

function objectEntry(
  key: string,
  sizeBytes: number | undefined,
  { ETag: etag, LastModified: lastModified }: { ETag?: string | undefined; LastModified?: Date | undefined },
): ObjectEntry {
  if (sizeBytes === undefined || !Number.isSafeInteger(sizeBytes) || lastModified === undefined) {
    throw new MirrorError('answer-malformed', 'the storage tells no size or time of an object');
  }
  return { key, sizeBytes, lastModified, etag: knownEtag(etag) };
}

function knownEtag(etag: string | undefined): string {
  if (etag === undefined) {
    throw new MirrorError('answer-malformed', 'the storage tells no ETag of an object');
  }
  return etag;
}

/** What is read of an object by a range that begins behind its end. */
function withoutBody(entry: ObjectEntry | undefined): OpenObject | undefined {
  return entry && { ...entry, bodyBytes: 0, body: nothing(), cancel: () => undefined };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
