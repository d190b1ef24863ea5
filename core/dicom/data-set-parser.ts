/**
 * Walks the elements of a DICOM data set as its bytes come in, keeps the few values that are asked for, and tells at
 * the end whether the bytes were whole: every length fits, every sequence is closed, nothing follows the last element.
 * Values are skipped, not kept: memory does not grow with the file.
 */

/** How the elements are written (DICOM PS3.5, 7.1 and 10). */
export interface ElementEncoding {
  readonly explicitVr: boolean;
  readonly bigEndian: boolean;
}

/** What is wrong with the bytes. */
export type StructureFault =
  /** They end inside an element or an open sequence. */
  | 'cut'
  /** They cannot be DICOM elements: group zero, an item outside a sequence, a length beyond its sequence. */
  | 'broken'
  /** Sequences are nested so deeply that an Orthanc server may crash while it reads them (ORTHANC.md, section 7). */
  | 'nested-too-deeply'
  /** They are deflated and unfold to so much that a server, which unfolds them in memory, may not survive it. */
  | 'unfolds-too-far';

/** Real objects nest less than 20 sequences; a server was seen to crash at about 100,000. */
const maxNesting = 512;
/** An identifier has at most 64 characters; a longer value of a wanted element is not kept. */
const maxValueBytes = 4096;
const pixelDataTag = 0x7fe00010;
const undefinedLength = 0xffffffff;
const itemTag = 0xfffee000;
const itemEnd = 0xfffee00d;
const sequenceEnd = 0xfffee0dd;

/** Value representations whose explicit header has a 4-byte length after two reserved bytes (PS3.5, table 7.1-1). */
const longForms = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'UC', 'UN', 'UR', 'UT', 'SV', 'UV']);
const shortForms = new Set('AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US'.split(' '));

/** An open sequence or item. */
interface Level {
  readonly kind: 'sequence' | 'fragments' | 'item';
  /** Position behind its last byte, or `undefined` if a delimiter ends it. */
  readonly end: number | undefined;
  /** Where the innermost level of known length ends that it lies in, itself included. */
  readonly limit: number | undefined;
  /** Whether the elements below are implicit VR little endian although the data set is not (PS3.5, 6.2.2 note 2). */
  readonly implicit: boolean;
}

/** A value as it stands in the file. */
export interface ElementValue {
  /** Value representation, `undefined` in implicit VR. */
  readonly vr: string | undefined;
  readonly bytes: Buffer;
}

/** An element whose header was read. */
export interface ElementStart {
  /** `group << 16 | element`, unsigned. */
  readonly tag: number;
  /** Value representation; in implicit VR what the listener said. */
  readonly vr: string | undefined;
  /** Of the value in bytes. */
  readonly length: number;
  /** Of the first byte of the value, counted from the beginning of the data set. */
  readonly position: number;
}

/** Is told of every element of a data set, for who wants more than a few values. */
export interface DataSetListener {
  /** The value representation of an element of implicit VR; what is said to be `SQ` is read as a sequence. */
  vrOf(tag: number): string;
  /** Whether the value is wanted; may be asked twice. All bytes of a wanted value are held in memory. */
  wants(tag: number, vr: string | undefined, length: number): boolean;
  /** An element with its value if that was wanted; the bytes are only lent. A fragment is an element with the tag of an item. */
  element(element: ElementStart, value: Buffer | undefined): void;
  open(kind: 'sequence' | 'fragments' | 'item', element: ElementStart): void;
  close(kind: 'sequence' | 'fragments' | 'item'): void;
}

interface ElementHeader {
  readonly tag: number;
  readonly vr: string | undefined;
  readonly length: number;
  readonly headerBytes: number;
}

export class DataSetParser {
  readonly #encoding: ElementEncoding;
  readonly #wanted: ReadonlySet<number>;
  readonly #listener: DataSetListener | undefined;
  readonly #values = new Map<number, ElementValue>();
  readonly #seen = new Set<number>();
  readonly #levels: Level[] = [];
  #carry: Buffer = Buffer.alloc(0);
  #position = 0;
  #toSkip = 0;
  #fault: StructureFault | undefined;
  #hasPixelData = false;
  #isPadding = false;

  /**
   * @param wanted tags (`group << 16 | element`) of the top level whose value, or for elements longer than 4 KiB whose
   *   presence, is kept
   */
  constructor(encoding: ElementEncoding, wanted: ReadonlySet<number>, listener?: DataSetListener) {
    this.#encoding = encoding;
    this.#wanted = wanted;
    this.#listener = listener;
  }

  /** Values of the wanted elements as they stand in the file, the first one if an element is repeated. */
  get values(): ReadonlyMap<number, ElementValue> {
    return this.#values;
  }

  /** The wanted elements that were met, also those whose value was too long to keep. */
  get seen(): ReadonlySet<number> {
    return this.#seen;
  }

  /** How many bytes were taken, including those that were jumped over. */
  get position(): number {
    return this.#position + this.#carry.length;
  }

  /** What was found to be wrong so far. */
  get fault(): StructureFault | undefined {
    return this.#fault;
  }

  /**
   * Takes the next bytes as read that are of no interest, instead of {@link push}ing them: for a reader that can leave
   * them out. @returns how many they are.
   */
  jump(): number {
    const jumped = this.#toSkip;
    this.#position += jumped;
    this.#toSkip = 0;
    return jumped;
  }

  /** Takes the next bytes. After a fault the rest is ignored. */
  push(chunk: Uint8Array): void {
    if (this.#fault !== undefined) {
      return;
    }
    let bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#isPadding) {
      this.#checkPadding(bytes);
      return;
    }
    if (this.#toSkip >= bytes.length) {
      this.#toSkip -= bytes.length;
      this.#position += bytes.length;
      return;
    }
    if (this.#carry.length > 0) {
      bytes = Buffer.concat([this.#carry, bytes]);
    }
    const used = this.#parse(bytes);
    this.#carry = Buffer.from(bytes.subarray(used));
    if (this.#isPadding) {
      this.#checkPadding(this.#carry);
      this.#carry = Buffer.alloc(0);
    }
  }

  /** Zeros behind the pixel data are what some media leave at the end of a file; a server accepts them. */
  #checkPadding(bytes: Buffer): void {
    if (bytes.some((byte) => byte !== 0)) {
      this.#fault = 'broken';
    }
  }

  /** @returns what is wrong now that no more bytes come, or `undefined` if the data set is whole. */
  finish(): StructureFault | undefined {
    if (this.#fault === undefined) {
      this.#closeFinishedLevels();
    }
    if (this.#fault !== undefined) {
      return this.#fault;
    }
    return this.#carry.length > 0 || this.#toSkip > 0 || this.#levels.length > 0 ? 'cut' : undefined;
  }

  /** @returns how many bytes were consumed; the rest is too short to be understood yet. */
  #parse(bytes: Buffer): number {
    let at = 0;
    while (this.#fault === undefined && !this.#isPadding) {
      const skipped = Math.min(this.#toSkip, bytes.length - at);
      at += skipped;
      this.#toSkip -= skipped;
      this.#position += skipped;
      this.#closeFinishedLevels();
      const header = this.#readHeader(bytes, at);
      if (header === undefined || this.#fault !== undefined) {
        break;
      }
      const value = this.#wantedValueEnd(header, at);
      if (value !== undefined && value > bytes.length) {
        break;
      }
      this.#keep(header, bytes, at);
      at += header.headerBytes;
      this.#position += header.headerBytes;
      this.#enter(header, value === undefined ? undefined : bytes.subarray(at, value));
    }
    return at;
  }

  #wantedValueEnd(header: ElementHeader, at: number): number | undefined {
    const { tag, vr, length } = header;
    const isKept = this.#levels.length === 0 && this.#wanted.has(tag) && length <= maxValueBytes;
    const isHeardOf = length !== undefinedLength && vr !== 'SQ' && this.#listener?.wants(tag, vr, length) === true;
    return isKept || isHeardOf ? at + header.headerBytes + length : undefined;
  }

  #keep(header: ElementHeader, bytes: Buffer, at: number): void {
    if (this.#levels.length > 0) {
      return;
    }
    if (!this.#wanted.has(header.tag) || this.#seen.has(header.tag)) {
      return;
    }
    this.#seen.add(header.tag);
    const end = this.#wantedValueEnd(header, at);
    if (end !== undefined) {
      this.#values.set(header.tag, { vr: header.vr, bytes: Buffer.from(bytes.subarray(at + header.headerBytes, end)) });
    }
  }

  #readHeader(bytes: Buffer, at: number): ElementHeader | undefined {
    if (this.#toSkip > 0 || bytes.length - at < 8) {
      return undefined;
    }
    const implicitHere = this.#levels.at(-1)?.implicit ?? !this.#encoding.explicitVr;
    const bigEndian = this.#encoding.bigEndian && !(this.#levels.at(-1)?.implicit ?? false);
    const tag = bigEndian
      ? bytes.readUInt16BE(at) * 0x10000 + bytes.readUInt16BE(at + 2)
      : bytes.readUInt16LE(at) * 0x10000 + bytes.readUInt16LE(at + 2);
    const longLength = (offset: number) => (bigEndian ? bytes.readUInt32BE(offset) : bytes.readUInt32LE(offset));
    if (implicitHere || tag >= 0xfffe0000) {
      const vr = tag >= 0xfffe0000 ? undefined : this.#listener?.vrOf(tag);
      return { tag, vr, length: longLength(at + 4), headerBytes: 8 };
    }
    const vr = bytes.toString('latin1', at + 4, at + 6);
    if (!isLongForm(vr)) {
      const length = bigEndian ? bytes.readUInt16BE(at + 6) : bytes.readUInt16LE(at + 6);
      return { tag, vr, length, headerBytes: 8 };
    }
    return bytes.length - at < 12 ? undefined : { tag, vr, length: longLength(at + 8), headerBytes: 12 };
  }

  /** Acts on an element whose header was just consumed: opens a level, closes one, or skips its value. */
  #enter(header: ElementHeader, value: Buffer | undefined): void {
    const top = this.#levels.at(-1);
    if (header.tag === itemTag || header.tag === itemEnd || header.tag === sequenceEnd) {
      this.#enterDelimiter(header, top, value);
      return;
    }
    if (header.tag === 0 && this.#hasPixelData && top === undefined) {
      this.#isPadding = true;
      return;
    }
    if ((top !== undefined && top.kind !== 'item') || header.tag < 0x00020000) {
      this.#fault = 'broken';
      return;
    }
    this.#hasPixelData ||= top === undefined && header.tag >= pixelDataTag;
    const end = header.length === undefinedLength ? undefined : this.#position + header.length;
    if (end === undefined) {
      const isFragments = header.vr === 'OB' || header.vr === 'OW';
      const implicit = header.vr === 'UN' || (top?.implicit ?? !this.#encoding.explicitVr);
      this.#open(isFragments ? 'fragments' : 'sequence', end, implicit, header);
    } else if (header.vr === 'SQ') {
      this.#open('sequence', end, top?.implicit ?? !this.#encoding.explicitVr, header);
    } else {
      this.#skip(header, value);
    }
  }

  #enterDelimiter(header: ElementHeader, top: Level | undefined, value: Buffer | undefined): void {
    if (header.tag === itemTag && top?.kind === 'fragments' && header.length !== undefinedLength) {
      this.#skip(header, value);
    } else if (header.tag === itemTag && top?.kind === 'sequence') {
      const end = header.length === undefinedLength ? undefined : this.#position + header.length;
      this.#open('item', end, top.implicit, header);
    } else if (header.tag === itemEnd && top?.kind === 'item') {
      this.#close();
    } else if (header.tag === sequenceEnd && top !== undefined && top.kind !== 'item') {
      this.#close();
    } else {
      this.#fault = 'broken';
    }
  }

  #open(kind: Level['kind'], end: number | undefined, implicit: boolean, header: ElementHeader): void {
    const limit = this.#levels.at(-1)?.limit;
    if (end !== undefined && limit !== undefined && end > limit) {
      this.#fault = 'broken';
    } else if (this.#levels.length >= 2 * maxNesting) {
      this.#fault = 'nested-too-deeply';
    } else {
      this.#levels.push({ kind, end, limit: end ?? limit, implicit });
      this.#listener?.open(kind, this.#startOf(header));
    }
  }

  #close(): void {
    const level = this.#levels.pop();
    if (level !== undefined) this.#listener?.close(level.kind);
  }

  #skip(header: ElementHeader, value: Buffer | undefined): void {
    const limit = this.#levels.at(-1)?.limit;
    if (limit !== undefined && this.#position + header.length > limit) {
      this.#fault = 'broken';
      return;
    }
    this.#toSkip = header.length;
    this.#listener?.element(this.#startOf(header), value);
  }

  #startOf({ tag, vr, length }: ElementHeader): ElementStart {
    return { tag, vr, length, position: this.#position };
  }

  #closeFinishedLevels(): void {
    if (this.#toSkip > 0) {
      return;
    }
    for (
      let top = this.#levels.at(-1);
      top?.end !== undefined && this.#position >= top.end;
      top = this.#levels.at(-1)
    ) {
      this.#close();
    }
  }
}

/** An unknown value representation in capitals has the long form, anything else the short one, as in DCMTK (DcmVR). */
function isLongForm(vr: string): boolean {
  return longForms.has(vr) || (!shortForms.has(vr) && /^[A-Z]{2}$/.test(vr));
}
