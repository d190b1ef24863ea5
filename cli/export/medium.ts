/** Where an export is written: a folder or a zip file, which appears under its name when it is whole. */
import { createWriteStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { MirrorError } from '../../core/errors.ts';
import type { ExportedFile } from '../../core/open/export/export-studies.ts';
import { zipOf } from '../../core/open/web/zip.ts';

/** Writes all files. Throws `configuration` if the place is taken or cannot be written, and what the files throw. */
export async function writeMedium(place: string, files: AsyncIterable<ExportedFile>): Promise<void> {
  const target = resolve(place);
  await requireFree(target, place);
  const partial = `${target}.partial-${process.pid}`;
  try {
    if (place.toLowerCase().endsWith('.zip')) await writeZip(partial, files);
    else await writeFolder(partial, files);
    if (await isEmptyFolder(target)) await rm(target, { recursive: true });
    await rename(partial, target);
    await syncFolder(dirname(target));
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    if (isSystemError(error)) {
      throw new MirrorError('configuration', `cannot write ${place} (${error.code})`, { cause: error });
    }
    throw error;
  }
}

async function requireFree(target: string, place: string): Promise<void> {
  const present = await stat(target).catch(() => undefined);
  if (present === undefined || (await isEmptyFolder(target))) return;
  throw new MirrorError('configuration', `${place} is there already; name a new folder or file`);
}

async function isEmptyFolder(path: string): Promise<boolean> {
  return (await readdir(path).catch(() => undefined))?.length === 0;
}

async function writeZip(path: string, files: AsyncIterable<ExportedFile>): Promise<void> {
  async function* entries() {
    for await (const { path: name, sizeBytes, open: openFile } of files) yield { name, sizeBytes, open: openFile };
  }
  await pipeline(zipOf(entries()), createWriteStream(path, { flags: 'wx', flush: true }));
}

async function writeFolder(path: string, files: AsyncIterable<ExportedFile>): Promise<void> {
  await mkdir(path);
  for await (const file of files) {
    const own = join(path, ...file.path.split('/'));
    await mkdir(dirname(own), { recursive: true });
    await pipeline(await file.open(), createWriteStream(own, { flags: 'wx', flush: true }));
  }
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && 'syscall' in error;
}
