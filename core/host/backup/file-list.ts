/** The list of the storage files of a host backup: JSON lines in ascending order of uuid, compressed by gzip. */
import { Readable } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { z } from 'zod';
import { MirrorError } from '../../errors.ts';
import { isMd5, type Md5 } from '../../identifiers.ts';
import { jsonBoundsOf, readJson } from '../../json.ts';
import { isUuid } from '../storage/storage-area.ts';

/** No path of a file system is longer than 4096 bytes, so no line has to be much longer. */
const longestLine = 8192;

const listedFile = z.object({
  uuid: z.string().refine(isUuid),
  /** Hash and size of the bytes as they lie in the storage; absent: the file was missing. */
  md5: z.custom<Md5>(isMd5).optional(),
  bytes: z.int().nonnegative().optional(),
  /** Where a plugin put the file, as its row says. */
  path: z.string().optional(),
  /** The hash that the index has, where the file's is another. */
  expected: z.custom<Md5>(isMd5).optional(),
});
export type ListedFile = z.infer<typeof listedFile>;

/** @returns the compressed list as a stream. */
export function writeFileList(files: AsyncIterable<ListedFile>): AsyncIterable<Uint8Array> {
  const lines = Readable.from(jsonLines(files), { objectMode: false });
  const compressed = createGzip();
  lines.on('error', (error) => compressed.destroy(error));
  return lines.pipe(compressed);
}

/** Many lines per chunk: the compressor is called once for each. */
async function* jsonLines(files: AsyncIterable<ListedFile>): AsyncGenerator<string> {
  let lines = '';
  for await (const file of files) {
    lines += `${JSON.stringify(file)}\n`;
    if (lines.length > 64 * 1024) {
      yield lines;
      lines = '';
    }
  }
  yield lines;
}

/** Reads a compressed list. Throws `archive-format` for a line of another form, and what `compressed` throws. */
export async function* readFileList(compressed: AsyncIterable<Uint8Array>): AsyncGenerator<ListedFile> {
  const source = Readable.from(compressed);
  const text = createGunzip();
  source.on('error', (error) => text.destroy(error));
  source.pipe(text).setEncoding('utf8');
  let rest = '';
  try {
    for await (const chunk of text) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > longestLine) throw unknownForm();
      for (const line of lines) yield parseLine(line);
    }
  } catch (error) {
    throw isBadGzip(error) ? unknownForm(error) : error;
  }
  if (rest !== '') throw unknownForm();
}

function isBadGzip(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
}

function parseLine(line: string): ListedFile {
  const read = readJson(line, listedFile, jsonBoundsOf(longestLine));
  if (!read.ok) throw unknownForm();
  return read.value;
}

function unknownForm(cause?: unknown): MirrorError {
  return new MirrorError('archive-format', 'the list of files of a host backup is of unknown form', { cause });
}
