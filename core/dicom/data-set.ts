/**
 * The whole header of a DICOM file as a tree, read by ranges: what is of no interest, above all the pixels, is never
 * fetched. Of everything that is foreign there is a bound, because a file may be made to use up memory.
 */
import { createInflateRaw } from 'node:zlib';
import { type DataSetListener, DataSetParser, type ElementStart, type StructureFault } from './data-set-parser.ts';
import { type DicomFileStart, maxMetaHeaderBytes, readFileStart } from './dicom-file.ts';
import { dictionaryVr } from './dictionary.ts';
import { InflateError, inflated } from './inflate.ts';

/** One element. Exactly one of `items`, `isEncapsulated` and a value, which may be absent because it is long, tells its content. */
export interface DataElement {
  /** `group << 16 | element`, unsigned. */
  readonly tag: number;
  /** Value representation; in implicit VR that of the standard. `xs`: US, or SS where PixelRepresentation is 1. */
  readonly vr: string;
  /** Of the value in bytes; 4294967295 where a delimiter ends it. */
  readonly length: number;
  /** Of the value's first byte in the file; in a deflated one, in what is inflated. */
  readonly position: number;
  /** The bytes of a value that is short, or text. */
  readonly value: Buffer | undefined;
  /** The items of a sequence. */
  readonly items: readonly DataSet[] | undefined;
  /** Whether the value is a sequence of fragments: compressed pixels. */
  readonly isEncapsulated: boolean;
}

/** Elements by tag, in the order of the file. */
export type DataSet = ReadonlyMap<number, DataElement>;

/** What is read of a file, without its pixels. */
export interface DicomDataSet {
  readonly start: DicomFileStart;
  readonly dataSet: DataSet;
  /** What is wrong with the file, as far as it was read. */
  readonly fault: StructureFault | 'too-large' | undefined;
  /** An estimate of the memory that all this takes. */
  readonly heldBytes: number;
}

/** A file that is read by ranges. */
export interface RangeReader {
  readonly sizeBytes: number;
  /** Reads bytes from a position on; fewer where the file ends. */
  read(position: number, lengthBytes: number): Promise<Buffer>;
}

/** Representations whose values are bulk data: told apart, not in the header. */
const binaryVrs = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'UN']);
export const pixelDataTags: ReadonlySet<number> = new Set([0x7fe00008, 0x7fe00009, 0x7fe00010]);

/** Longest values that are kept; the sum of all; and how many elements there may be. */
const maxBinaryBytes = 256;
const maxTextBytes = 1 << 20;
const maxHeldBytes = 24 << 20;
const maxElements = 200_000;
/** An element without its value, in memory. */
const elementBytes = 200;

/** Most headers end in the first bytes; one that does not is read in ever greater pieces. */
const firstReadBytes = 16 << 10;
const lastReadBytes = 1 << 20;
/** What is read behind a long value: mostly the end of the file, or the next element and its neighbours. */
const readAfterJumpBytes = 4 << 10;

/** @returns whether values of this representation are bulk data in DICOM JSON (PS3.18, F.2.7). */
export function isBinaryVr(vr: string): boolean {
  return binaryVrs.has(vr);
}

/** Reads the header. @returns `undefined` if the file is not DICOM. Throws what reading throws. */
export async function readDataSet(file: RangeReader): Promise<DicomDataSet | undefined> {
  let bytes = await file.read(0, Math.min(firstReadBytes, file.sizeBytes));
  let start = readFileStart(bytes, bytes.length >= file.sizeBytes);
  if (start === 'more') {
    bytes = await file.read(0, Math.min(2 * maxMetaHeaderBytes, file.sizeBytes));
    start = readFileStart(bytes, true);
  }
  if (start === undefined || start === 'more') return undefined;
  const builder = new DataSetBuilder(start.isDeflated ? 0 : start.dataSetOffset);
  const parser = new DataSetParser(start.encoding, new Set(), builder);
  if (start.isDeflated) await parseDeflated(parser, builder, file, start.dataSetOffset);
  else await parseByRanges(parser, builder, file, start.dataSetOffset, bytes);
  const fault = builder.isTooLarge ? 'too-large' : builder.isComplete ? undefined : parser.finish();
  return { start, dataSet: builder.dataSet, fault, heldBytes: builder.heldBytes };
}

async function parseByRanges(
  parser: DataSetParser,
  builder: DataSetBuilder,
  file: RangeReader,
  offset: number,
  first: Buffer,
): Promise<void> {
  parser.push(first.subarray(offset));
  let readBytes = firstReadBytes;
  for (;;) {
    const jumped = parser.jump();
    const position = offset + parser.position;
    if (builder.isComplete || builder.isTooLarge || parser.fault !== undefined || position >= file.sizeBytes) return;
    readBytes = jumped > 0 ? readAfterJumpBytes : Math.min(2 * readBytes, lastReadBytes);
    const next = await file.read(position, Math.min(readBytes, file.sizeBytes - position));
    if (next.length === 0) return;
    parser.push(next);
  }
}

async function parseDeflated(
  parser: DataSetParser,
  builder: DataSetBuilder,
  file: RangeReader,
  offset: number,
): Promise<void> {
  try {
    for await (const chunk of inflated(pieces(file, offset), createInflateRaw())) {
      parser.push(chunk);
      if (builder.isComplete || builder.isTooLarge || parser.fault !== undefined) return;
    }
  } catch (error) {
    if (!(error instanceof InflateError)) throw error;
  }
}

async function* pieces(file: RangeReader, offset: number): AsyncGenerator<Buffer> {
  for (let at = offset; at < file.sizeBytes; ) {
    const piece = await file.read(at, Math.min(lastReadBytes, file.sizeBytes - at));
    if (piece.length === 0) return;
    yield piece;
    at += piece.length;
  }
}

/** Puts the tree together from what the parser tells. */
class DataSetBuilder implements DataSetListener {
  readonly dataSet: DataSet;
  readonly #offset: number;
  /** The data sets that are open, the innermost last. */
  readonly #open: Map<number, DataElement>[];
  /** The items of the sequences that are open, likewise. */
  readonly #items: DataSet[][] = [];
  #inFragments = false;
  #elements = 0;
  #valueBytes = 0;
  isComplete = false;

  constructor(offset: number) {
    const root = new Map<number, DataElement>();
    this.#offset = offset;
    this.#open = [root];
    this.dataSet = root;
  }

  get isTooLarge(): boolean {
    return this.#elements > maxElements || this.#valueBytes > maxHeldBytes;
  }

  get heldBytes(): number {
    return this.#elements * elementBytes + this.#valueBytes;
  }

  vrOf(tag: number): string {
    return dictionaryVr(tag);
  }

  wants(tag: number, vr: string | undefined, length: number): boolean {
    if (this.#inFragments || this.isTooLarge || vr === undefined) return false;
    return length <= (isBinaryVr(knownVr(tag, vr)) ? maxBinaryBytes : maxTextBytes);
  }

  element(start: ElementStart, value: Buffer | undefined): void {
    if (this.#inFragments) return;
    this.#valueBytes += value?.length ?? 0;
    this.#add(start, value === undefined ? undefined : Buffer.from(value), undefined, false);
  }

  open(kind: 'sequence' | 'fragments' | 'item', start: ElementStart): void {
    if (kind === 'fragments') {
      this.#inFragments = true;
      // What may follow compressed pixels could only be found by walking along all of them.
      this.isComplete = this.#open.length === 1;
      this.#add(start, undefined, undefined, true);
    } else if (kind === 'sequence') {
      const items: DataSet[] = [];
      this.#add(start, undefined, items, false);
      this.#items.push(items);
    } else {
      const item = new Map<number, DataElement>();
      this.#elements += 1;
      this.#items.at(-1)?.push(item);
      this.#open.push(item);
    }
  }

  close(kind: 'sequence' | 'fragments' | 'item'): void {
    if (kind === 'fragments') this.#inFragments = false;
    else if (kind === 'sequence') this.#items.pop();
    else this.#open.pop();
  }

  #add(start: ElementStart, value: Buffer | undefined, items: DataSet[] | undefined, isEncapsulated: boolean): void {
    this.#elements += 1;
    const { tag, length } = start;
    const vr = items !== undefined ? 'SQ' : isEncapsulated ? 'OB' : knownVr(tag, start.vr);
    const position = this.#offset + start.position;
    const into = this.#open.at(-1);
    // Of an element that is repeated the first one counts, as for a server.
    if (this.isTooLarge || into === undefined || into.has(tag)) return;
    into.set(tag, { tag, vr, length, position, value, items, isEncapsulated });
  }
}

/** What the file says, unless that says nothing of a tag that the standard knows. */
function knownVr(tag: number, vr: string | undefined): string {
  if (vr !== undefined && vr !== 'UN' && /^(?:[A-Z]{2}|xs)$/.test(vr)) return vr;
  const standard = dictionaryVr(tag);
  // A sequence in an element of unknown representation is not taken apart: it can be read as it is.
  return standard === 'SQ' ? 'UN' : standard;
}
