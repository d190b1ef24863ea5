/** Zip archives as streams: stored, not compressed, because pixels that compress well are compressed in DICOM itself. */
import { Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import type { WebResponse } from './message.ts';

export interface ZipEntry {
  /** Path in the archive, joined by slashes. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Opened when the entries before were written. */
  readonly open: () => Promise<AsyncIterable<Uint8Array>>;
}

/** An answer that is a zip archive. */
export function zipResponse(entries: Iterable<ZipEntry>): WebResponse {
  return { status: 200, headers: { 'content-type': 'application/zip' }, body: zipOf(entries) };
}

/** The bytes of a zip archive. Throws what opening and reading an entry throws: then the archive has no end. */
export async function* zipOf(entries: Iterable<ZipEntry>): AsyncGenerator<Uint8Array> {
  const zip = new ZipFile();
  let reading: Readable | undefined;
  const output = Readable.from(zip.outputStream);
  zip.on('error', (error: Error) => output.destroy(error));
  for (const { name, sizeBytes, open } of entries) {
    zip.addReadStreamLazy(name, { size: sizeBytes, compress: false, mtime: new Date(0) }, (give) => {
      open().then(
        (bytes) => {
          reading = Readable.from(bytes);
          reading.on('error', (error) => output.destroy(error));
          give(undefined, reading);
        },
        (error: unknown) => output.destroy(error instanceof Error ? error : new Error('an entry cannot be opened')),
      );
    });
  }
  zip.end();
  try {
    yield* output;
  } finally {
    reading?.destroy();
  }
}
