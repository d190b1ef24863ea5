/** The DICOM files of the demo: generated ones, or those of a folder. */

import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { generateInstance, generateInstances } from './dicom/generate.ts';
import { placeOfNth } from './dicom/identifiers.ts';
import { type Upload, uploadAll } from './upload.ts';

const kibibyte = 1024;
const mebibyte = 1024 ** 2;

/** What an upload came to. */
export interface UploadCounts {
  /** Files that the server stored, or had stored before under the same identifiers. */
  readonly taken: number;
  readonly refused: number;
}

/** 240 instances of usual sizes and one large multi-frame, which is streamed through. */
export function generatedUploads(): readonly Upload[] {
  const small = [...generateInstances('demo small', 200, 32 * kibibyte)];
  const usual = [...generateInstances('demo usual', 40, 512 * kibibyte)];
  const large = generateInstance(placeOfNth('demo large', 0), 48 * mebibyte);
  return [...small, ...usual, large].map(({ bytes, sizeBytes }) => ({ sizeBytes, body: () => bytes }));
}

/** The instance that is added when everything else has arrived. */
export function laterUpload(): Upload {
  const { bytes, sizeBytes } = generateInstance(placeOfNth('demo later', 0), 512 * kibibyte);
  return { sizeBytes, body: () => bytes };
}

/** Every file below a folder, whatever it is: the server decides what it takes. */
export async function folderUploads(folder: string): Promise<readonly Upload[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    files.map(async (file) => ({ sizeBytes: (await stat(file)).size, body: () => createReadStream(file) })),
  );
}

/** Loads everything into a server, eight files at a time. */
export async function load(serverUrl: string, uploads: readonly Upload[]): Promise<UploadCounts> {
  let taken = 0;
  let refused = 0;
  await uploadAll(serverUrl, uploads, 8, (answer) => {
    if (answer.kind === 'stored') taken += 1;
    else refused += 1;
  });
  return { taken, refused };
}
