import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateInstances } from '../../local/dicom/generate.ts';

/** Files of real devices, beside the checkout on some machines; `TEST_DICOM_FOLDER` names another folder. */
const realFiles = process.env.TEST_DICOM_FOLDER ?? join(import.meta.dirname, '../../../shared/dicom');

/** The real DICOM files where this machine has them, broken ones included; generated ones elsewhere. */
export async function sampleFiles(seed: string): Promise<readonly Uint8Array[]> {
  if (!existsSync(realFiles)) return [...generateInstances(seed, 60, 20 * 1024)].map(({ bytes }) => bytes);
  const entries = await readdir(realFiles, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(paths.toSorted((a, b) => (a < b ? -1 : 1)).map((path) => readFile(path)));
}
