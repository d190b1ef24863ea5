/** A line of an inventory in 52 bytes, as millions of them are sorted and remembered. */
import { type InstanceId, isInstanceId, isMd5, type Md5 } from '../../identifiers.ts';

/** What is known of an instance of a server. */
export interface InventoryRow {
  readonly id: InstanceId;
  /** Number of the entry of the change feed that told of it; 0 where none did, and less where that was so at its negative. */
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
