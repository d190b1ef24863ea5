/** Any number of rows of an inventory, put in order in bounded memory: those beyond lie in stretches at another place. */
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { mapInOrder } from '../../streams/in-parallel.ts';
import { bytesOfId, bytesOfRow, type InventoryRow, readRow, readSeq, writeRow } from './inventory-row.ts';

/** Ids are hashes: by their first byte they fall into parts of about the same size. */
export const partCount = 256;
/** 52 MB. */
const mostRowsInMemory = 1_000_000;
const leastRows = 8;
/** Stretches of which a part is read at once. */
const readsAtOnce = 16;

/** Where stretches of rows lie, by their number. */
export interface StretchPlace {
  /** Replaces what has the number. */
  write(stretch: number, bytes: Buffer): Promise<void>;
  /** Reads so many bytes from a position; fewer if there are no more. */
  read(stretch: number, at: number, bytes: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** What a stretch holds of each part: bytes and checksum, 4 bytes each. The parts lie one after the other. */
export type Stretch = Buffer;
export const bytesOfStretch = partCount * 8;

export interface PartitionedRowsOptions {
  /** Rows that are held in memory. */
  readonly mostRows?: number | undefined;
  /** Absent: a temporary file, which {@link PartitionedRows.close} removes. */
  readonly place?: StretchPlace | undefined;
  /** What lies there already. */
  readonly stretches?: readonly Stretch[] | undefined;
}

interface Part {
  rows: Buffer;
  usedBytes: number;
}

export class PartitionedRows {
  readonly #mostRows: number;
  readonly #place: StretchPlace;
  #parts = emptyParts();
  #rowsInMemory = 0;
  #stretches: Stretch[];

  constructor({
    mostRows = mostRowsInMemory,
    place = new TemporaryFile(),
    stretches = [],
  }: PartitionedRowsOptions = {}) {
    this.#mostRows = mostRows;
    this.#place = place;
    this.#stretches = [...stretches];
  }

  /** How many rows were added, those of the same id counted again. */
  get count(): number {
    return this.#parts.reduce((sum, _, index) => sum + this.countOf(index), 0);
  }

  /** The same for a part. */
  countOf(index: number): number {
    const spilled = this.#stretches.reduce((sum, stretch) => sum + bytesOfPart(stretch, index), 0);
    return (spilled + (this.#parts[index]?.usedBytes ?? 0)) / bytesOfRow;
  }

  /** Whether {@link spill} is due. */
  get isFull(): boolean {
    return this.#rowsInMemory >= this.#mostRows;
  }

  /** What does not lie in memory. */
  get stretches(): readonly Stretch[] {
    return this.#stretches;
  }

  add(row: InventoryRow): void {
    const part = this.#parts[Number.parseInt(row.id.slice(0, 2), 16)];
    if (part === undefined) throw new RangeError('an id begins with another byte');
    if (part.usedBytes === part.rows.length) {
      const larger = Buffer.alloc(Math.max(leastRows * bytesOfRow, part.rows.length * 2));
      part.rows.copy(larger);
      part.rows = larger;
    }
    writeRow(part.rows, part.usedBytes, row);
    part.usedBytes += bytesOfRow;
    this.#rowsInMemory += 1;
  }

  /** Puts what is in memory to the other place. */
  async spill(): Promise<void> {
    if (this.#rowsInMemory === 0) return;
    const stretch = Buffer.alloc(bytesOfStretch);
    const used = this.#parts.map(({ rows, usedBytes }) => rows.subarray(0, usedBytes));
    for (const [index, rows] of used.entries()) {
      stretch.writeUInt32BE(rows.length, index * 8);
      stretch.writeUInt32BE(crc32(rows), index * 8 + 4);
    }
    await this.#place.write(this.#stretches.length, Buffer.concat(used));
    this.#stretches.push(stretch);
    for (const part of this.#parts) part.usedBytes = 0;
    this.#rowsInMemory = 0;
  }

  /**
   * @returns the rows of a part in ascending order, each id once: of several the one with the greatest number of an entry. Throws {@link StretchDamaged} where what was put away is not what comes back.
   */
  async part(index: number): Promise<readonly InventoryRow[]> {
    const rows = await this.#bytesOf(index);
    const listed: InventoryRow[] = [];
    let before = -1;
    for (const at of inOrder(rows)) {
      const row = readRow(rows, at);
      const last = listed.at(-1);
      if (last === undefined || !isSameId(rows, before, at)) listed.push(row);
      else listed[listed.length - 1] = row;
      before = at;
    }
    return listed;
  }

  /** @returns for each id of a part, in ascending order, the greatest number of an entry. Throws as {@link part}. */
  async numbersOf(index: number): Promise<readonly number[]> {
    const rows = await this.#bytesOf(index);
    const numbers: number[] = [];
    let before = -1;
    for (const at of inOrder(rows)) {
      if (before >= 0 && isSameId(rows, before, at)) numbers.pop();
      numbers.push(readSeq(rows, at));
      before = at;
    }
    return numbers;
  }

  /** Forgets all rows. */
  clear(): void {
    this.#parts = emptyParts();
    this.#rowsInMemory = 0;
    this.#stretches = [];
  }

  /** Idempotent. */
  async close(): Promise<void> {
    this.clear();
    await this.#place.close();
  }

  async #bytesOf(index: number): Promise<Buffer> {
    const part = this.#parts[index];
    if (part === undefined) return Buffer.alloc(0);
    const pieces = mapInOrder(this.#stretches.entries(), readsAtOnce, ([number, stretch]) =>
      this.#readPart(index, number, stretch),
    );
    return Buffer.concat([...(await Array.fromAsync(pieces)), part.rows.subarray(0, part.usedBytes)]);
  }

  async #readPart(index: number, number: number, stretch: Stretch): Promise<Buffer> {
    const bytes = bytesOfPart(stretch, index);
    if (bytes === 0) return Buffer.alloc(0);
    let at = 0;
    for (let before = 0; before < index; before += 1) at += bytesOfPart(stretch, before);
    const piece = await this.#place.read(number, at, bytes);
    const isSound = piece.length === bytes && crc32(piece) === stretch.readUInt32BE(index * 8 + 4);
    if (!isSound) throw new StretchDamaged(`what was put away of an inventory came back damaged (stretch ${number})`);
    return piece;
  }
}

/** Rows that were put away did not come back as they were. */
export class StretchDamaged extends Error {}

function bytesOfPart(stretch: Stretch, index: number): number {
  return stretch.readUInt32BE(index * 8);
}

function emptyParts(): readonly Part[] {
  return Array.from({ length: partCount }, () => ({ rows: Buffer.alloc(0), usedBytes: 0 }));
}

class TemporaryFile implements StretchPlace {
  #file: { readonly folder: string; readonly handle: FileHandle } | undefined;
  /** Where each stretch begins, and where the next one will. */
  #begins = [0];

  async write(stretch: number, bytes: Buffer): Promise<void> {
    this.#file ??= await openTemporary();
    const begin = this.#begins[stretch] ?? 0;
    await this.#file.handle.write(bytes, 0, bytes.length, begin);
    this.#begins = [...this.#begins.slice(0, stretch + 1), begin + bytes.length];
  }

  async read(stretch: number, at: number, bytes: number): Promise<Buffer> {
    const piece = Buffer.alloc(bytes);
    const { bytesRead = 0 } = (await this.#file?.handle.read(piece, 0, bytes, (this.#begins[stretch] ?? 0) + at)) ?? {};
    return piece.subarray(0, bytesRead);
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    if (file === undefined) return;
    await file.handle.close();
    await rm(file.folder, { recursive: true, force: true });
  }
}

async function openTemporary(): Promise<{ readonly folder: string; readonly handle: FileHandle }> {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-ids-'));
  return { folder, handle: await open(join(folder, 'rows'), 'wx+', 0o600) };
}

/** Bits of a sort key that name the row; the others are the begin of its id, behind the byte that all ids of a part share. */
const rowBits = 24;

/**
 * @returns the positions of rows in ascending order of id, then of number. Sorts numbers of 64 bits, which is twenty times as
 *   fast as comparing rows, and compares only rows whose numbers begin alike.
 */
function inOrder(rows: Buffer): readonly number[] {
  const count = rows.length / bytesOfRow;
  if (count >= 2 ** rowBits) throw new RangeError('a part has too many rows to be sorted');
  const keys = new BigUint64Array(count);
  const words = new DataView(keys.buffer);
  for (let row = 0; row < count; row += 1) {
    const at = row * bytesOfRow;
    words.setUint32(row * 8 + 4, rows.readUInt32BE(at + 1), true);
    words.setUint32(row * 8, ((rows[at + 5] ?? 0) << rowBits) | row, true);
  }
  keys.sort();
  const rowOf = (place: number): number => words.getUint32(place * 8, true) & (2 ** rowBits - 1);
  const order = Array.from({ length: count }, (_, place) => rowOf(place) * bytesOfRow);
  const beginsAlike = (place: number) =>
    place > 0 &&
    place < count &&
    words.getUint32(place * 8 + 4, true) === words.getUint32(place * 8 - 4, true) &&
    words.getUint8(place * 8 + 3) === words.getUint8(place * 8 - 5);
  for (let place = 1; place < count; place += 1) {
    if (!beginsAlike(place)) continue;
    const begin = place - 1;
    while (beginsAlike(place)) place += 1;
    const alike = order
      .slice(begin, place)
      .sort((a, b) => compareIds(rows, a, b) || readSeq(rows, a) - readSeq(rows, b));
    for (const [index, at] of alike.entries()) order[begin + index] = at;
  }
  return order;
}

function compareIds(rows: Buffer, a: number, b: number): number {
  return rows.compare(rows, b, b + bytesOfId, a, a + bytesOfId);
}

function isSameId(rows: Buffer, a: number, b: number): boolean {
  return compareIds(rows, a, b) === 0;
}
