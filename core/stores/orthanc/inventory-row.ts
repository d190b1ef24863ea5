/** A line of an inventory in 52 bytes, as millions of them are sorted, and a part of them, as it is remembered. */
import { createHash } from 'node:crypto';
import { type InstanceId, isInstanceId, isMd5, type Md5 } from '../../identifiers.ts';

/** What is known of an instance of a server. */
export interface InventoryRow {
  readonly id: InstanceId;
  /** Number of the entry of the change feed that told of it; 0 where none did. */
  readonly seq: number;
  /** Day (since 1970, UTC) on which the server was asked for hash and size; 0: it was not. */
  readonly askedDay: number;
  /** `undefined`: not asked for, or the server keeps none. */
  readonly md5: Md5 | undefined;
  readonly sizeBytes: number | undefined;
}

export const bytesOfId = 20;
export const bytesOfRow = 52;
const seqAt = bytesOfId;
const dayAt = 24;
const sizeAt = 28;
const md5At = 36;

const noMd5 = '0'.repeat(32);

/** Writes a row into `rows`, `at` bytes from its begin. */
export function writeRow(rows: Buffer, at: number, { id, seq, askedDay, md5, sizeBytes }: InventoryRow): void {
  rows.write(id.replaceAll('-', ''), at, bytesOfId, 'hex');
  rows.writeInt32BE(seq, at + seqAt);
  rows.writeUInt32BE(askedDay, at + dayAt);
  rows.writeDoubleBE(sizeBytes ?? -1, at + sizeAt);
  rows.write(md5 ?? noMd5, at + md5At, 16, 'hex');
}

export function readRow(rows: Buffer, at: number): InventoryRow {
  const sizeBytes = rows.readDoubleBE(at + sizeAt);
  const md5 = rows.toString('hex', at + md5At, at + bytesOfRow);
  return {
    id: readId(rows, at),
    seq: readSeq(rows, at),
    askedDay: rows.readUInt32BE(at + dayAt),
    md5: md5 !== noMd5 && isMd5(md5) ? md5 : undefined,
    sizeBytes: Number.isSafeInteger(sizeBytes) && sizeBytes >= 0 ? sizeBytes : undefined,
  };
}

export function readSeq(rows: Buffer, at: number): number {
  return rows.readInt32BE(at + seqAt);
}

function readId(rows: Buffer, at: number): InstanceId {
  const hex = rows.toString('hex', at, at + bytesOfId);
  const id = [0, 8, 16, 24, 32].map((start) => hex.slice(start, start + 8)).join('-');
  if (!isInstanceId(id)) throw new Error('an id was kept in another form');
  return id;
}

const magic = 'OMI2';
const lastAt = 4;
const hashAt = 8;
const seenAt = hashAt + 32;
/** Entries of the feed that a part names at most. */
export const mostSeen = 8;
const bytesOfHead = seenAt + mostSeen * 4;

/** What the feed of a server was when a part of its inventory was told. */
export interface FeedThen {
  /** Number of the last entry that it ever had. */
  readonly last: number;
  /** Numbers of entries that it had, {@link mostSeen} at most: as long as it has one of them, it was not cleared since. */
  readonly seen: readonly number[];
}

/** A part of an inventory as it is remembered. */
export interface RememberedPart {
  readonly rows: readonly InventoryRow[];
  readonly seen: readonly number[];
}

/** A part as bytes: the end of the feed, a hash of who it is of and of all else, entries of the feed, and the rows. */
export function encodePart(rows: readonly InventoryRow[], identity: string, { last, seen }: FeedThen): Buffer {
  const bytes = Buffer.alloc(bytesOfHead + rows.length * bytesOfRow);
  bytes.write(magic);
  bytes.writeInt32BE(last, lastAt);
  for (const [index, entry] of seen.slice(0, mostSeen).entries()) bytes.writeInt32BE(entry, seenAt + index * 4);
  for (const [index, row] of rows.entries()) writeRow(bytes, bytesOfHead + index * bytesOfRow, row);
  hashOf(bytes, identity).copy(bytes, hashAt);
  return bytes;
}

/** A part again; nothing if it is damaged, of another database, or of a time that the feed went back behind. */
export function decodePart(bytes: Buffer, identity: string, last: number): RememberedPart {
  const isWhole =
    bytes.length >= bytesOfHead &&
    (bytes.length - bytesOfHead) % bytesOfRow === 0 &&
    bytes.toString('latin1', 0, lastAt) === magic &&
    hashOf(bytes, identity).equals(bytes.subarray(hashAt, seenAt));
  if (!isWhole || bytes.readInt32BE(lastAt) > last) return { rows: [], seen: [] };
  const rows: InventoryRow[] = [];
  for (let at = bytesOfHead; at < bytes.length; at += bytesOfRow) rows.push(readRow(bytes, at));
  const entries = Array.from({ length: mostSeen }, (_, index) => bytes.readInt32BE(seenAt + index * 4));
  return { rows, seen: entries.filter((entry) => entry > 0) };
}

function hashOf(bytes: Buffer, identity: string): Buffer {
  const head = bytes.subarray(0, hashAt);
  return createHash('sha256').update(head).update(bytes.subarray(seenAt)).update(identity).digest();
}
