/** Zip archives as streams: stored, not compressed, because pixels that compress well are compressed in DICOM itself. */
import { PassThrough, Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import type { WebResponse } from './message.ts';

export interface ZipEntry {
  /** Path in the archive, joined by slashes. */
  readonly name: string;
  readonly sizeBytes?: number | undefined;
  /** Opened when the entries before were written. */
  readonly open: () => Promise<AsyncIterable<Uint8Array>>;
}

/** An answer that is a zip archive. */
export function zipResponse(entries: Iterable<ZipEntry>): WebResponse {
  return { status: 200, headers: { 'content-type': 'application/zip' }, body: zipOf(entries) };
}

/**
 * The bytes of a zip archive. An entry is asked for when the one before it was written. Throws what giving, opening and
 * reading an entry throws: then the archive has no end.
 */
export async function* zipOf(entries: Iterable<ZipEntry> | AsyncIterable<ZipEntry>): AsyncGenerator<Uint8Array> {
  const zip = new ZipFile();
  const output = new PassThrough();
  zip.outputStream.pipe(output);
  let reading: Readable | undefined;
  const write = async ({ name, sizeBytes, open }: ZipEntry): Promise<void> => {
    const bytes = await open();
    const input = Readable.from(bytes);
    reading = input;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    input.on('end', resolve).on('error', reject).on('close', resolve);
    const size = sizeBytes === undefined ? {} : { size: sizeBytes };
    zip.addReadStream(input, name, { ...size, compress: false, mtime: new Date(0) });
    await promise;
  };
  const fail = (error: unknown) =>
    output.destroy(error instanceof Error ? error : new Error('an entry cannot be read'));
  zip.on('error', fail);
  const feed = async () => {
    for await (const entry of entries) {
      if (output.destroyed) return;
      await write(entry);
    }
    zip.end();
  };
  const fed = feed().catch(fail);
  try {
    yield* output;
    await fed;
  } finally {
    reading?.destroy();
  }
}
