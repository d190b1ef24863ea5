/** Folders that a backup works in; removed at its end, or by the next one if this process is killed. */
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileError } from '../file-error.ts';

const prefix = '.orthanc-mirror-work-';

export interface WorkFolders extends AsyncDisposable {
  /** For copies of the index. */
  readonly copies: string;
  /** For hard links to storage files: on the same file system, if that could be arranged. */
  readonly links: string;
}

/**
 * Makes the folders, beside the storage for links, else in `wanted` or in the system's temporary folder.
 * Throws `configuration` or `full` if none can be made.
 */
export async function makeWorkFolders(storageFolder: string | undefined, wanted?: string): Promise<WorkFolders> {
  const parent = wanted ?? tmpdir();
  const beside = storageFolder === undefined ? undefined : dirname(storageFolder);
  await Promise.all([parent, beside].filter((folder) => folder !== undefined).map(removeAbandoned));
  const copies = await make(parent).catch((error: unknown) => {
    throw fileError(error, parent, 'configuration');
  });
  // A read-only or full file system beside the storage: files are copied instead of linked.
  const links = (beside === undefined ? undefined : await make(beside).catch(() => undefined)) ?? join(copies, 'files');
  await mkdir(links, { recursive: true });
  return {
    copies,
    links,
    [Symbol.asyncDispose]: async () => {
      await Promise.all([copies, links].map((folder) => rm(folder, { recursive: true, force: true })));
    },
  };
}

function make(parent: string): Promise<string> {
  return mkdtemp(join(parent, `${prefix}${process.pid}-`));
}

/** Removes the folders of processes that no longer run, but for those of other users. */
async function removeAbandoned(parent: string): Promise<void> {
  const names = await readdir(parent).catch((): string[] => []);
  for (const name of names) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN;
    if (Number.isNaN(pid) || isRunning(pid)) continue;
    await rm(join(parent, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

/** @returns whether a process of this machine runs. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, and belongs to somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
