/** Imports a folder of given files into a store in memory. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { folderSource } from '../../../core/import/folder-source.ts';
import { type ImportOptions, importFiles } from '../../../core/import/import-files.ts';
import type { ImportSummary, ReportLine } from '../../../core/import/report.ts';
import type { GeneratedInstance } from '../../../local/dicom/generate.ts';
import { generateInstance } from '../../../local/dicom/generate.ts';
import { placeOfNth } from '../../../local/dicom/identifiers.ts';
import { MemoryStore } from '../memory-store.ts';

/** A folder for the files of one test. */
export interface ImportFolder {
  readonly path: string;
  write(name: string, bytes: Uint8Array): Promise<void>;
  remove(): Promise<void>;
}

export async function makeFolder(): Promise<ImportFolder> {
  const path = await mkdtemp(join(tmpdir(), 'import-test-'));
  return {
    path,
    async write(name, bytes) {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), bytes);
    },
    remove: () => rm(path, { recursive: true, force: true }),
  };
}

export interface ImportResult {
  readonly summary: ImportSummary;
  readonly target: MemoryStore;
  /** Lines by their path below the folder. */
  readonly lines: ReadonlyMap<string, ReportLine>;
}

/** Imports a folder into an empty store. */
export async function importFolder(folder: ImportFolder, options: Partial<ImportOptions> = {}): Promise<ImportResult> {
  const target = new MemoryStore('target');
  const lines = new Map<string, ReportLine>();
  const summary = await importFiles({
    source: folderSource(Buffer.from(folder.path)),
    destinations: [{ role: 'target', store: target }],
    concurrency: 4,
    onLine: (line) => {
      lines.set(line.path.slice(folder.path.length + 1), line);
    },
    ...options,
  });
  return { summary, target, lines };
}

/** The n-th generated instance. */
export function instance(n: number, sizeBytes = 4096): GeneratedInstance {
  return generateInstance(placeOfNth('import', n), sizeBytes);
}
