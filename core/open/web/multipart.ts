/** Answers of several parts (RFC 2387), as streams. */
import { randomUUID } from 'node:crypto';
import type { WebResponse } from './message.ts';

export interface Part {
  readonly headers: Readonly<Record<string, string>>;
  readonly sizeBytes: number;
  /** Opened when the parts before were sent. */
  readonly open: () => Promise<AsyncIterable<Uint8Array>>;
}

/** An answer of parts whose sizes are known, so that a client sees whether it is whole. */
export function multipartResponse(type: string, parts: readonly Part[]): WebResponse {
  const boundary = randomUUID();
  const heads = parts.map((part) => headOf(boundary, part));
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const sizeBytes = parts.reduce((sum, part, index) => sum + part.sizeBytes + (heads[index]?.length ?? 0), tail.length);
  async function* body(): AsyncGenerator<Uint8Array> {
    for (const [index, part] of parts.entries()) {
      yield heads[index] ?? tail;
      yield* await part.open();
    }
    yield tail;
  }
  return {
    status: 200,
    headers: {
      'content-type': `multipart/related; type="${type}"; boundary=${boundary}`,
      'content-length': String(sizeBytes),
    },
    body: body(),
  };
}

function headOf(boundary: string, { headers, sizeBytes }: Part): Buffer {
  const lines = Object.entries({ ...headers, 'Content-Length': String(sizeBytes) });
  return Buffer.from(`\r\n--${boundary}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`);
}
