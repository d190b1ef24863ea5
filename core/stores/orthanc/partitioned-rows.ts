/** Any number of rows of an inventory, put in order in bounded memory: those beyond lie in a temporary file. */
import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bytesOfId, bytesOfRow, type InventoryRow, readRow, readSeq, writeRow } from './inventory-row.ts';

/** Ids are hashes: by their first byte they fall into parts of about the same size. */
export const partCount = 256;
/** 52 MB. */
const mostRowsInMemory = 1_000_000;
const leastRows = 8;

interface Part {
  rows: Buffer;
  usedBytes: number;
  /** Where in the file more rows of the part lie. */
  readonly spilled: { readonly at: number; readonly bytes: number }[];
}

export class PartitionedRows {
  readonly #mostRows: number;
  #parts = emptyParts();
  #count = 0;
  #rowsInMemory = 0;
  #fileBytes = 0;
  #file: { readonly folder: string; readonly handle: FileHandle } | undefined;

  constructor(mostRows = mostRowsInMemory) {
    this.#mostRows = mostRows;
  }

  /** How many rows were added, those of the same id counted again. */
  get count(): number {
    return this.#count;
  }

  /** Whether {@link spill} is due. */
  get isFull(): boolean {
    return this.#rowsInMemory >= this.#mostRows;
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
    this.#count += 1;
  }

  /** Writes what is in memory to the temporary file. */
  async spill(): Promise<void> {
    this.#file ??= await openTemporary();
    for (const part of this.#parts) {
      if (part.usedBytes === 0) continue;
      await this.#file.handle.write(part.rows, 0, part.usedBytes, this.#fileBytes);
      part.spilled.push({ at: this.#fileBytes, bytes: part.usedBytes });
      this.#fileBytes += part.usedBytes;
      part.usedBytes = 0;
    }
    this.#rowsInMemory = 0;
  }

  /**
   * @returns the rows of a part in ascending order, each id once: of several the greatest number of an entry, and hash and
   *   size of any that has them.
   */
  async part(index: number): Promise<readonly InventoryRow[]> {
    const part = this.#parts[index];
    if (part === undefined) return [];
    const pieces = [part.rows.subarray(0, part.usedBytes)];
    for (const { at, bytes } of part.spilled) pieces.push(await this.#read(at, bytes));
    return inOrder(Buffer.concat(pieces));
  }

  /** Forgets all rows. */
  clear(): void {
    this.#parts = emptyParts();
    this.#count = 0;
    this.#rowsInMemory = 0;
    this.#fileBytes = 0;
  }

  /** Removes the temporary file. Idempotent. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    this.clear();
    if (file === undefined) return;
    await file.handle.close();
    await rm(file.folder, { recursive: true, force: true });
  }

  async #read(at: number, bytes: number): Promise<Buffer> {
    const piece = Buffer.alloc(bytes);
    const { bytesRead = 0 } = (await this.#file?.handle.read(piece, 0, bytes, at)) ?? {};
    if (bytesRead !== bytes) throw new Error('a temporary file was cut');
    return piece;
  }
}

function emptyParts(): readonly Part[] {
  return Array.from({ length: partCount }, () => ({ rows: Buffer.alloc(0), usedBytes: 0, spilled: [] }));
}

async function openTemporary(): Promise<{ readonly folder: string; readonly handle: FileHandle }> {
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-ids-'));
  return { folder, handle: await open(join(folder, 'rows'), 'wx+', 0o600) };
}

function inOrder(rows: Buffer): readonly InventoryRow[] {
  const order = Array.from({ length: rows.length / bytesOfRow }, (_, index) => index * bytesOfRow);
  order.sort((a, b) => rows.compare(rows, b, b + bytesOfId, a, a + bytesOfId) || readSeq(rows, a) - readSeq(rows, b));
  const listed: InventoryRow[] = [];
  for (const at of order) {
    const row = readRow(rows, at);
    const before = listed.at(-1);
    if (before?.id !== row.id) listed.push(row);
    else listed[listed.length - 1] = row.askedDay === 0 ? { ...before, seq: row.seq } : row;
  }
  return listed;
}
