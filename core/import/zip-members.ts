/** Members of a zip, read from where they lie; nothing is unpacked under the names that the archive gives. */
import type { FileHandle } from 'node:fs/promises';
import { crc32, createInflateRaw } from 'node:zlib';
import { type Entry, fromFdPromise, type ZipFile } from 'yauzl';
import { InflateError, inflated } from '../dicom/inflate.ts';
import { isMirrorError, MirrorError } from '../errors.ts';
import type { RereadableBytes } from '../streams/rereadable-bytes.ts';
import { readHandle } from '../streams/rereadable-bytes.ts';
import type { ExpansionBudget } from './expansion-limits.ts';
import { type FoundAt, memberAt } from './found.ts';

/** A zip that is open. */
export interface OpenArchive {
  /** Open for reading at any position. */
  readonly handle: FileHandle;
  /** Called when neither the listing nor any member needs the file any more. */
  close(): void;
}

/** A member of an archive, or why it cannot be read. */
export type Member =
  | { readonly kind: 'file'; readonly at: FoundAt; readonly bytes: RereadableBytes }
  | { readonly kind: 'unreadable'; readonly at: FoundAt; readonly error: MirrorError }
  /** A folder, link or device: no content of its own. */
  | { readonly kind: 'no-file'; readonly at: FoundAt; readonly what: string };

const linkMode = 0xa000;
const modeMask = 0xf000;
/** Compression method (APPNOTE.TXT 4.4.5); the only other one that is decoded is 0, stored. */
const deflated = 8;
/** What each member takes in the table of contents at least (APPNOTE.TXT 4.3.12). */
const contentsBytes = 46;

/**
 * Lists the members of a zip. They stay readable until each is released, also after the listing has ended.
 * Throws `source-corrupt` if the table of contents is damaged, `refused` when a limit is exceeded or members overlap.
 */
export async function* zipMembers(archive: OpenArchive, at: FoundAt, budget: ExpansionBudget): AsyncGenerator<Member> {
  const holder = new SharedArchive(archive);
  try {
    const { size: zipBytes } = await archive.handle.stat();
    const zip = await fromFdPromise(archive.handle.fd, {
      lazyEntries: true,
      autoClose: false,
      // Names are not used for files of ours, so none is refused; validation would end the whole listing.
      decodeStrings: false,
    });
    let packedBytesLeft = zipBytes - contentsBytes * zip.entryCount;
    for await (const entry of zip.eachEntry()) {
      budget.countMember();
      packedBytesLeft -= entry.compressedSize;
      if (packedBytesLeft < 0) throw overlapping();
      yield memberOf(zip, entry, at, budget, holder);
    }
  } catch (error) {
    throw zipError(error);
  } finally {
    holder.release();
  }
}

function memberOf(zip: ZipFile, entry: Entry, zipAt: FoundAt, budget: ExpansionBudget, holder: SharedArchive): Member {
  const name = nameOf(entry);
  const at = memberAt(zipAt, name);
  const mode = (entry.externalFileAttributes >>> 16) & modeMask;
  if (name.endsWith('/')) {
    return { kind: 'no-file', at, what: 'folder' };
  }
  if (mode === linkMode) {
    return { kind: 'no-file', at, what: 'link in an archive' };
  }
  if (entry.isEncrypted()) {
    const error = new MirrorError('refused', 'encrypted member of a zip; unpack it with its password first');
    return { kind: 'unreadable', at, error };
  }
  if (!entry.canDecodeFileData()) {
    const error = new MirrorError('refused', `compression method ${entry.compressionMethod} of a zip; unpack it first`);
    return { kind: 'unreadable', at, error };
  }
  holder.retain();
  const read = budget.counted(() => readEntry(zip, entry, holder.handle));
  let released = false;
  const release = () => {
    if (!released) {
      released = true;
      holder.release();
    }
  };
  return { kind: 'file', at, bytes: { sizeBytes: entry.uncompressedSize, read, release } };
}

/** The name as UTF-8 where the archive says or it fits, else as Latin-1. */
function nameOf(entry: Entry): string {
  const raw = entry.fileNameRaw;
  const utf8 = raw.toString('utf8');
  return Buffer.from(utf8, 'utf8').equals(raw) ? utf8 : raw.toString('latin1');
}

/** Reads a member with its checks. Not by the streams of yauzl: these crash the process when they are given up early. */
async function* readEntry(zip: ZipFile, entry: Entry, handle: FileHandle): AsyncGenerator<Uint8Array> {
  let checksum = 0;
  let sizeBytes = 0;
  try {
    const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
    const stored = readHandle(handle, entry.compressedSize, fileDataStart);
    const content = entry.compressionMethod === deflated ? inflated(stored, createInflateRaw()) : stored;
    for await (const chunk of content) {
      checksum = crc32(chunk, checksum);
      sizeBytes += chunk.byteLength;
      yield chunk;
    }
  } catch (error) {
    throw error instanceof InflateError ? damagedMember(error) : zipError(error);
  }
  if (checksum !== entry.crc32 || sizeBytes !== entry.uncompressedSize) {
    throw damagedMember();
  }
}

/** The same bytes as many members: how a small zip unfolds to thousands of large ones. */
function overlapping(): MirrorError {
  return new MirrorError('refused', 'the members of a zip take more room than the zip has: they overlap');
}

function damagedMember(cause?: unknown): MirrorError {
  return new MirrorError('source-corrupt', 'a member of a zip is damaged; get the archive again', { cause });
}

function zipError(error: unknown): MirrorError {
  return isMirrorError(error)
    ? error
    : new MirrorError('source-corrupt', 'a zip is damaged or cut; get it again', { cause: error });
}

/** Closes the archive when its last user is done. */
class SharedArchive {
  readonly #archive: OpenArchive;
  #users = 1;

  constructor(archive: OpenArchive) {
    this.#archive = archive;
  }

  get handle(): FileHandle {
    return this.#archive.handle;
  }

  retain(): void {
    this.#users += 1;
  }

  release(): void {
    this.#users -= 1;
    if (this.#users === 0) {
      this.#archive.close();
    }
  }
}
