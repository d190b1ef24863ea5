/** Receiving the body of a request into a file, and verifying every checksum that came with it. */
import { createHash, randomUUID } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { decodeAwsChunked } from './aws-chunked.ts';
import { type ChecksumName, checksumNames, startChecksum } from './checksums.ts';
import { Failure } from './failure.ts';

/** A checksum as it is kept with an object. */
export interface KeptChecksum {
  readonly name: ChecksumName;
  /** Base64. */
  readonly value: string;
}

/** A body that was received completely and whose checksums were right. */
export interface ReceivedFile {
  /** Path of a temporary file, which now belongs to the caller. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly md5: Buffer;
  readonly checksum: KeptChecksum | undefined;
}

/**
 * Streams a body to a new file in `folder`. Throws `BadDigest`, `XAmzContentSHA256Mismatch` or `IncompleteBody` and
 * leaves no file if anything about the body is wrong.
 */
export async function receiveFile(request: IncomingMessage, folder: string): Promise<ReceivedFile> {
  const path = join(folder, randomUUID());
  const checks = new BodyChecks(request.headers);
  try {
    const file = await open(path, 'wx');
    try {
      for await (const chunk of checks.bytesOf(request)) {
        await file.writeFile(chunk);
      }
    } finally {
      await file.close();
    }
    return { path, ...checks.verified() };
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

/** Reads a small body, such as an XML document, with the same checks. */
export async function receiveText(request: IncomingMessage): Promise<string> {
  const checks = new BodyChecks(request.headers);
  const chunks = await Array.fromAsync(checks.bytesOf(request));
  checks.verified();
  return Buffer.concat(chunks).toString('utf8');
}

class BodyChecks {
  readonly #headers: IncomingHttpHeaders;
  readonly #trailers = new Map<string, string>();
  readonly #name: ChecksumName | undefined;
  readonly #checksum: ReturnType<typeof startChecksum> | undefined;
  readonly #md5 = createHash('md5');
  readonly #sha256: ReturnType<typeof createHash> | undefined;
  #sizeBytes = 0;

  constructor(headers: IncomingHttpHeaders) {
    this.#headers = headers;
    this.#name = announcedChecksum(headers);
    this.#checksum = this.#name && startChecksum(this.#name);
    this.#sha256 = /^[0-9a-f]{64}$/.test(header(headers, 'x-amz-content-sha256')) ? createHash('sha256') : undefined;
  }

  async *bytesOf(request: IncomingMessage): AsyncGenerator<Uint8Array> {
    const isChunked =
      header(this.#headers, 'content-encoding').includes('aws-chunked') ||
      header(this.#headers, 'x-amz-content-sha256').startsWith('STREAMING-');
    for await (const chunk of isChunked ? decodeAwsChunked(request, this.#trailers) : bytesIn(request)) {
      this.#sizeBytes += chunk.length;
      this.#md5.update(chunk);
      this.#sha256?.update(chunk);
      this.#checksum?.update(chunk);
      yield chunk;
    }
  }

  verified(): Omit<ReceivedFile, 'path'> {
    const expectedBytes = header(this.#headers, 'x-amz-decoded-content-length');
    if (expectedBytes !== '' && Number(expectedBytes) !== this.#sizeBytes) {
      throw new Failure(400, 'IncompleteBody', `received ${this.#sizeBytes} of ${expectedBytes} bytes`);
    }
    const md5 = this.#md5.digest();
    expectEqual('content-md5', header(this.#headers, 'content-md5'), md5.toString('base64'), 'BadDigest');
    const sha256 = this.#sha256?.digest('hex') ?? '';
    const expectedSha256 = this.#sha256 === undefined ? '' : header(this.#headers, 'x-amz-content-sha256');
    expectEqual('x-amz-content-sha256', expectedSha256, sha256, 'XAmzContentSHA256Mismatch');
    return { sizeBytes: this.#sizeBytes, md5, checksum: this.#verifiedChecksum() };
  }

  #verifiedChecksum(): KeptChecksum | undefined {
    if (this.#name === undefined || this.#checksum === undefined) {
      return undefined;
    }
    const field = `x-amz-checksum-${this.#name}`;
    const value = this.#checksum.digest();
    expectEqual(field, header(this.#headers, field) || (this.#trailers.get(field) ?? ''), value, 'BadDigest');
    return { name: this.#name, value };
  }
}

/** @returns which checksum comes as a header or trailer, or should be computed because the client named it. */
function announcedChecksum(headers: IncomingHttpHeaders): ChecksumName | undefined {
  const trailer = header(headers, 'x-amz-trailer').toLowerCase();
  const named = header(headers, 'x-amz-sdk-checksum-algorithm').toLowerCase();
  return checksumNames.find((name) => {
    const field = `x-amz-checksum-${name}`;
    return headers[field] !== undefined || trailer === field || named === name;
  });
}

function expectEqual(field: string, expected: string, found: string, code: string): void {
  if (expected !== '' && expected !== found) {
    throw new Failure(400, code, `${field} is ${found}, not ${expected}`);
  }
}

async function* bytesIn(request: IncomingMessage): AsyncGenerator<Uint8Array> {
  for await (const chunk of request) {
    if (chunk instanceof Uint8Array) {
      yield chunk;
    }
  }
}

/** @returns a header as one text; empty if there is none. */
export function header(headers: IncomingHttpHeaders, name: string): string {
  const value = headers[name];
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}
