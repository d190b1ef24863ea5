/** Reads the identifying elements of a DICOM file as its bytes come in, and no further than they reach. */
import { constants, inflateRawSync } from 'node:zlib';
import { isSameEverywhere } from './charset.ts';
import { DataSetParser } from './data-set-parser.ts';
import { type DicomFileStart, readFileStart } from './dicom-file.ts';
import {
  type IdentifyingElements,
  identifyingElements,
  identifyingTags,
  patientIdBytes,
} from './identifying-elements.ts';

const { specificCharacterSet, ...others } = identifyingTags;
/** With all of these read, and known how the PatientID is written, there is nothing more to look for. */
const neededTags = Object.values(others);
const wantedTags: ReadonlySet<number> = new Set([specificCharacterSet, ...neededTags]);

const firstSliceBytes = 1024;
/**
 * A deflated data set is inflated this far, whatever the pieces are in which it comes: damage behind its identifiers
 * must not decide by them. Deflate expands 1,032 times at most, so that memory is bounded by it.
 */
const deflatedBytes = [4096, 64 * 1024] as const;

export class IdentifierReader {
  /** Bytes before the data set is known to begin; of a deflated one all that came. */
  #pending: Buffer = Buffer.alloc(0);
  #start: DicomFileStart | 'more' | undefined = 'more';
  #parser: DataSetParser | undefined;
  #isOver = false;

  /** Whether more bytes will change nothing. */
  get isDone(): boolean {
    return this.#isOver;
  }

  push(chunk: Uint8Array): void {
    if (this.#isOver) return;
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#start !== 'more') this.#pushData(bytes);
    else this.#begin(joined(this.#pending, bytes), false);
  }

  /** Ends the reading. @returns `undefined` if what came is no DICOM instance. */
  finish(): IdentifyingElements | undefined {
    if (this.#start === 'more') this.#begin(this.#pending, true);
    if (this.#isDeflated()) this.#inflate(this.#pending.length);
    this.#isOver = true;
    return this.#parser && identifyingElements(this.#parser.values);
  }

  #begin(bytes: Buffer, isAll: boolean): void {
    this.#pending = bytes;
    this.#start = readFileStart(bytes, isAll);
    if (this.#start === 'more') return;
    this.#pending = Buffer.alloc(0);
    if (this.#start === undefined) this.#isOver = true;
    else this.#pushData(bytes.subarray(this.#start.dataSetOffset));
  }

  #pushData(bytes: Buffer): void {
    if (!this.#isDeflated()) {
      this.#parse(bytes);
      return;
    }
    const before = this.#pending.length;
    this.#pending = joined(this.#pending, bytes);
    for (const size of deflatedBytes) if (before < size && size <= this.#pending.length) this.#inflate(size);
    if (this.#pending.length >= Math.max(...deflatedBytes)) this.#isOver = true;
  }

  #isDeflated(): boolean {
    return typeof this.#start === 'object' && this.#start.isDeflated;
  }

  #inflate(size: number): void {
    if (this.#isOver) return;
    try {
      // Without an end the bytes are not complete, which a flush forgives.
      const data = inflateRawSync(this.#pending.subarray(0, size), { finishFlush: constants.Z_SYNC_FLUSH });
      this.#parser = undefined;
      this.#parse(data);
    } catch {
      this.#isOver = true;
    }
  }

  /** In slices that grow: a parser that is given all of a file walks all of it. */
  #parse(bytes: Buffer): void {
    if (typeof this.#start !== 'object') return;
    this.#parser ??= new DataSetParser(this.#start.encoding, wantedTags);
    for (let at = 0, size = firstSliceBytes; at < bytes.length && !this.#isOver; at += size, size *= 2) {
      this.#parser.push(bytes.subarray(at, at + size));
      this.#isOver = this.#hasAll(this.#parser);
    }
  }

  /** A character set stands before what it is for; of a file whose elements are in disorder it is looked for to its end. */
  #hasAll({ seen, values }: DataSetParser): boolean {
    if (!neededTags.every((tag) => seen.has(tag))) return false;
    return seen.has(specificCharacterSet) || isSameEverywhere(patientIdBytes(values.get(others.patientId)));
  }
}

/** Copies nothing where there is nothing to join: a file in memory comes in one piece. */
function joined(before: Buffer, bytes: Buffer): Buffer {
  return before.length === 0 ? bytes : Buffer.concat([before, bytes]);
}

/** @returns the identifying elements of a file in memory; `undefined` if it is no DICOM instance. */
export function readIdentifyingElements(bytes: Uint8Array): IdentifyingElements | undefined {
  const reader = new IdentifierReader();
  reader.push(bytes);
  return reader.finish();
}
