/** Reads a DICOM file once: what it is, whether it is whole, its hash and its size. */
import { createHash } from 'node:crypto';
import type { OrthancEncoding } from '../dicom/charset.ts';
import type { StructureFault } from '../dicom/data-set-parser.ts';
import { type DicomHeader, type DicomReading, readDicom } from '../dicom/dicom-header.ts';
import type { ErrorCode } from '../errors.ts';
import type { Md5 } from '../identifiers.ts';
import type { RereadableBytes } from '../streams/rereadable-bytes.ts';

/** A DICOM file that can be imported, or the reason why not. */
export type Identified =
  | { readonly kind: 'instance'; readonly header: DicomHeader; readonly md5: Md5; readonly sizeBytes: number }
  | { readonly kind: 'dicomdir' }
  /** It begins like DICOM, but cannot be an instance. */
  | { readonly kind: 'unfit'; readonly reason: string; readonly code: ErrorCode };

const faultReasons: Readonly<Record<StructureFault, string>> = {
  cut: 'it ends amid an element: it is cut, or bytes were added; get it again from a backup or the modality',
  broken: 'the file is damaged: what follows the header is no DICOM; get it again from a backup or the modality',
  'nested-too-deeply': 'its sequences are nested so deeply that it can crash an Orthanc server',
  'unfolds-too-far': 'it is deflated and unfolds so far that it can use up the memory of an Orthanc server',
};

/** Reads the bytes once. Throws what they throw. */
export async function identify(
  bytes: RereadableBytes,
  defaultEncoding: OrthancEncoding | undefined,
): Promise<Identified> {
  const hash = createHash('md5');
  let sizeBytes = 0;
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes.read()) {
      hash.update(chunk);
      sizeBytes += chunk.byteLength;
      yield chunk;
    }
  }
  const reading = await readDicom(hashed(), defaultEncoding === undefined ? {} : { defaultEncoding });
  return verdict(reading, hash.digest('hex') as Md5, sizeBytes);
}

function verdict(reading: DicomReading, md5: Md5, sizeBytes: number): Identified {
  switch (reading.kind) {
    case 'dicomdir':
      return { kind: 'dicomdir' };
    case 'not-dicom':
      return {
        kind: 'unfit',
        reason: 'the file begins like DICOM, but has no meta header that can be read',
        code: 'source-corrupt',
      };
    case 'without-uids':
      return reading.fault === undefined
        ? { kind: 'unfit', reason: 'a study, series or SOP instance UID is missing or empty', code: 'not-dicom' }
        : faulty(reading.fault);
    case 'instance':
      return reading.fault === undefined
        ? { kind: 'instance', header: reading.header, md5, sizeBytes }
        : faulty(reading.fault);
  }
}

function faulty(fault: StructureFault): Identified {
  const code = fault === 'nested-too-deeply' || fault === 'unfolds-too-far' ? 'refused' : 'source-corrupt';
  return { kind: 'unfit', reason: faultReasons[fault], code };
}
