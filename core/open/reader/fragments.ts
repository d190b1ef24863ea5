/** The fragments of compressed pixel data (PS3.5, A.4). */
import { MirrorError } from '../../errors.ts';

/** A fragment, without its own header. */
export interface Fragment {
  readonly position: number;
  readonly sizeBytes: number;
  /** Of its header, counted from that of the first fragment: what the offset table of a file tells. */
  readonly offset: number;
  /** Whether it begins as a compressed image does. */
  readonly startsFrame: boolean;
}

export interface Fragments {
  readonly fragments: readonly Fragment[];
  /** Of the frames as the file's own table tells them; empty where it has none. */
  readonly offsets: readonly number[];
}

/** Reads bytes at a position; fewer at the end. */
export type ReadAt = (position: number, lengthBytes: number) => Promise<Buffer>;

const itemTag = 0xfffee000;
const itemHeaderBytes = 8;
/** Enough to see how a compressed image begins. */
const signatureBytes = 4;
const mostFragments = 1_000_000;
const longestTableBytes = 4 * mostFragments;
const windowBytes = 64 << 10;

/** Walks from the first item, the offset table, to the end. Throws `refused` if these are no items. */
export async function walkFragments(
  readAt: ReadAt,
  { position, end }: { readonly position: number; readonly end: number },
): Promise<Fragments> {
  const read = windowed(readAt);
  const table = await itemAt(read, position, end);
  if (table === undefined || table > longestTableBytes) throw notFragments();
  const bytes = await readAt(position + itemHeaderBytes, table);
  const offsets = Array.from({ length: Math.floor(bytes.length / 4) }, (_, index) => bytes.readUInt32LE(4 * index));
  const first = position + itemHeaderBytes + table;
  const fragments: Fragment[] = [];
  for (let at = first; ; ) {
    const sizeBytes = await itemAt(read, at, end);
    if (sizeBytes === undefined) break;
    if (fragments.length === mostFragments) throw notFragments();
    const begin = at + itemHeaderBytes;
    const signature = await read(begin, Math.min(signatureBytes, sizeBytes));
    fragments.push({ position: begin, sizeBytes, offset: at - first, startsFrame: isImageStart(signature) });
    at = begin + sizeBytes;
  }
  return { fragments, offsets };
}

/** @returns the length of the item at a position; `undefined` where something else stands, or it does not fit. */
async function itemAt(read: ReadAt, position: number, end: number): Promise<number | undefined> {
  const header = await read(position, itemHeaderBytes);
  if (header.length < itemHeaderBytes) return undefined;
  const tag = header.readUInt16LE(0) * 0x10000 + header.readUInt16LE(2);
  const length = header.readUInt32LE(4);
  return tag === itemTag && position + itemHeaderBytes + length <= end ? length : undefined;
}

/** JPEG and JPEG-LS begin with SOI and another marker, JPEG 2000 with SOC and SIZ. */
function isImageStart(bytes: Buffer): boolean {
  if (bytes.length < 3) return false;
  const first = bytes.readUInt16BE(0);
  return (first === 0xffd8 && bytes[2] === 0xff) || (first === 0xff4f && bytes[2] === 0xff);
}

/** Small fragments lie close together: several are read at once. */
function windowed(readAt: ReadAt): ReadAt {
  let from = 0;
  let held: Buffer = Buffer.alloc(0);
  return async (position, lengthBytes) => {
    if (position < from || position + lengthBytes > from + held.length) {
      held = await readAt(position, Math.max(windowBytes, lengthBytes));
      from = position;
    }
    return held.subarray(position - from, position - from + lengthBytes);
  };
}

function notFragments(): MirrorError {
  return new MirrorError('refused', 'the compressed pixel data is not made of fragments; fetch the instance');
}
