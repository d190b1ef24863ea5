/** The list of the storage files of a host backup: JSON lines in ascending order of uuid, compressed by gzip. */
import { Readable } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import * as z from 'zod';
import { MirrorError } from '../../errors.ts';
import { isMd5, type Md5 } from '../../identifiers.ts';
import { jsonBoundsOf, readJson } from '../../json.ts';
import type { ContentHashes } from '../../orthanc-disk/files/file-bytes.ts';
import type { PlaceInFolder } from '../../orthanc-disk/storage/storage-folders.ts';
import { isUuid } from '../../orthanc-disk/storage/storage-names.ts';
import { isSha256 } from './backup-keys.ts';

/** One file that the index names. */
export interface ListedFile {
  readonly uuid: string;
  /** Of the bytes as they lie in the storage; absent: the backup has none. */
  readonly content?: ContentHashes | undefined;
  /** Where it was, if not where Orthanc itself would put it: the number of a folder of the manifest, and a path in it. */
  readonly place?: PlaceInFolder | undefined;
  /** The hash that the index has, where the file's is another. */
  readonly expected?: Md5 | undefined;
}

/** No path of the file system is longer, so no line has to be. */
const longestPath = 4096;
const longestLine = 2 * longestPath;

const line = z.strictObject({
  uuid: z.string().refine(isUuid),
  md5: z.custom<Md5>(isMd5).optional(),
  sha256: z.string().refine(isSha256).optional(),
  bytes: z.int().nonnegative().optional(),
  folder: z.int().nonnegative().optional(),
  path: z.string().max(longestPath).refine(staysBelow).optional(),
  expected: z.custom<Md5>(isMd5).optional(),
});

/** Whether a relative path leads to a file below where it begins. */
function staysBelow(path: string): boolean {
  return !path.includes('\0') && path.split('/').every((name) => name !== '' && name !== '.' && name !== '..');
}

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
  for await (const { uuid, content, place, expected } of files) {
    const { md5, sha256, sizeBytes: bytes } = content ?? {};
    lines += `${JSON.stringify({ uuid, md5, sha256, bytes, ...place, expected })}\n`;
    if (lines.length > 64 * 1024) {
      yield lines;
      lines = '';
    }
  }
  yield lines;
}

/**
 * Reads a compressed list; holds one line at a time. Throws `archive-format` for bytes that are no such list, and what
 * `compressed` throws.
 */
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
      for (const one of lines) yield parseLine(one);
    }
  } catch (error) {
    throw isBadGzip(error) ? unknownForm(error) : error;
  }
  if (rest !== '') throw unknownForm();
}

function isBadGzip(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
}

function parseLine(text: string): ListedFile {
  const read = readJson(text, line, jsonBoundsOf(longestLine));
  if (!read.ok) throw unknownForm();
  const { uuid, md5, sha256, bytes, folder, path, expected } = read.value;
  const content =
    md5 === undefined || sha256 === undefined || bytes === undefined ? undefined : { md5, sha256, sizeBytes: bytes };
  const place = folder === undefined || path === undefined ? undefined : { folder, path };
  return { uuid, content, place, expected };
}

function unknownForm(cause?: unknown): MirrorError {
  return new MirrorError('archive-format', 'the list of files of a host backup is of unknown form', { cause });
}
