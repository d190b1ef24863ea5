/**
 * The `aws-chunked` coding of request bodies: chunks with their sizes in hexadecimal digits, and trailing headers.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
 */
import { Failure } from './failure.ts';

const longestLine = 8192;

/**
 * Yields the bytes within the chunks. Trailing headers are put into `trailers`, names in lower case. Throws
 * `IncompleteBody` if the body ends before its last chunk.
 */
export async function* decodeAwsChunked(
  source: AsyncIterable<Uint8Array>,
  trailers: Map<string, string>,
): AsyncGenerator<Uint8Array> {
  const reader = new LineReader(source);
  for (let sizeBytes = await chunkSize(reader); sizeBytes > 0; sizeBytes = await chunkSize(reader)) {
    yield* reader.bytes(sizeBytes);
    await reader.line();
  }
  for (let line = await reader.line(); line !== ''; line = await reader.line()) {
    const colon = line.indexOf(':');
    trailers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
}

async function chunkSize(reader: LineReader): Promise<number> {
  const digits = /^([0-9a-f]{1,8})(?:;|$)/i.exec(await reader.line())?.[1];
  if (digits === undefined) {
    throw new Failure(400, 'InvalidRequest', 'a chunk of the body has no size');
  }
  return Number.parseInt(digits, 16);
}

/** Takes lines and counted bytes from a stream in turn. */
class LineReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** @returns the next line without its CR LF; the empty line at the end of the body. */
  async line(): Promise<string> {
    let end = this.#rest.indexOf('\r\n');
    while (end < 0) {
      if (this.#rest.length > longestLine) {
        throw new Failure(400, 'InvalidRequest', 'a line of the body is too long');
      }
      if (!(await this.#fill())) {
        if (this.#rest.length === 0) {
          return '';
        }
        throw new Failure(400, 'IncompleteBody');
      }
      end = this.#rest.indexOf('\r\n');
    }
    const line = this.#rest.toString('latin1', 0, end);
    this.#rest = this.#rest.subarray(end + 2);
    return line;
  }

  async *bytes(count: number): AsyncGenerator<Uint8Array> {
    for (let missing = count; missing > 0; ) {
      if (this.#rest.length === 0 && !(await this.#fill())) {
        throw new Failure(400, 'IncompleteBody');
      }
      const piece = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(piece.length);
      missing -= piece.length;
      yield piece;
    }
  }

  async #fill(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done) {
      return false;
    }
    this.#rest = this.#rest.length === 0 ? Buffer.from(next.value) : Buffer.concat([this.#rest, next.value]);
    return true;
  }
}
