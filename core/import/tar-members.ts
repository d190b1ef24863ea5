/** Members of a tar, one after the other as they come in: each must be read, or left, before the next one comes. */
import { Readable } from 'node:stream';
import { extract, type Header } from 'tar-stream';
import { isMirrorError, MirrorError } from '../errors.ts';
import type { ExpansionBudget } from './expansion-limits.ts';
import { type FoundAt, memberAt } from './found.ts';

/** A member being read. */
export interface TarMember {
  readonly at: FoundAt;
  /** Its bytes, once, before the next member is asked for; `undefined` for what has none, as `what` tells. */
  readonly body: AsyncIterable<Uint8Array> | undefined;
  readonly what: string;
}

const fileTypes: ReadonlySet<Header['type']> = new Set(['file', 'contiguous-file']);
/** As Latin-1 a name keeps its bytes, whatever their encoding is. */
const options = { filenameEncoding: 'latin1', highWaterMark: 65_536 };

/** Lists the members of a tar. Throws `source-corrupt` if it is damaged or cut, and what `tar` throws. */
export async function* tarMembers(
  tar: AsyncIterable<Uint8Array>,
  at: FoundAt,
  budget: ExpansionBudget,
): AsyncGenerator<TarMember> {
  const source = Readable.from(tar);
  const parser = extract(options);
  let sourceError: unknown;
  source.on('error', (error) => {
    sourceError = error;
    parser.destroy(error);
  });
  parser.on('error', () => source.destroy());
  source.on('data', (chunk: Buffer) => {
    if (!parser.write(chunk)) {
      source.pause();
    }
  });
  source.on('end', () => parser.end(undefined));
  parser.on('drain', () => source.resume());
  try {
    for await (const entry of parser) {
      budget.countMember();
      const { name, type } = entry.header;
      const member = memberAt(at, readableName(name));
      if (fileTypes.has(type)) {
        yield { at: member, body: readToEnd(entry, () => sourceError), what: 'file' };
      } else {
        yield {
          at: member,
          body: undefined,
          what: type === 'directory' ? 'folder' : `${type ?? 'unknown'} in an archive`,
        };
      }
      // Whatever was not read is passed over.
      entry.resume();
    }
  } catch (error) {
    throw isMirrorError(error) ? error : tarError(sourceError ?? error);
  } finally {
    source.destroy();
    parser.destroy(null);
  }
}

/** Reads an entry; who stops early leaves the rest to be passed over, and does not end the whole archive. */
async function* readToEnd(entry: AsyncIterable<unknown>, sourceError: () => unknown): AsyncGenerator<Uint8Array> {
  const chunks = entry[Symbol.asyncIterator]();
  const nextChunk = async () => {
    try {
      return await chunks.next();
    } catch (error) {
      throw tarError(sourceError() ?? error);
    }
  };
  let next = await nextChunk();
  try {
    for (; next.done !== true; next = await nextChunk()) {
      if (next.value instanceof Uint8Array) {
        yield next.value;
      }
    }
  } finally {
    while (next.done !== true) {
      next = await nextChunk();
    }
  }
}

function tarError(error: unknown): MirrorError {
  return isMirrorError(error)
    ? error
    : new MirrorError('source-corrupt', 'a tar is damaged or cut; get it again', { cause: error });
}

/** Names of old formats come byte by byte, and most are UTF-8; those of the pax format come decoded. */
function readableName(name: string): string {
  if (/[^\0-\xff]/.test(name)) {
    return name;
  }
  const bytes = Buffer.from(name, 'latin1');
  const utf8 = bytes.toString('utf8');
  return Buffer.from(utf8, 'utf8').equals(bytes) ? utf8 : name;
}
