/** The folder that a backup or audit works in; removed at its end, or by the next one if this process is killed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileError } from './file-error.ts';
import { HeldFolder, refuseForeignHands } from './held-folder.ts';

const prefix = '.orthanc-mirror-work-';

export interface WorkFolder extends AsyncDisposable {
  /** Mode 0700, in a place where nobody else can exchange it. */
  readonly path: string;
}

/**
 * Makes a folder in `wanted` or in the system's temporary folder, and removes those that killed processes left there.
 * Throws `configuration` (others than root and this user may change what lies there) or `full`.
 */
export async function makeWorkFolder(wanted = tmpdir()): Promise<WorkFolder> {
  await using parent = await HeldFolder.open(wanted);
  await refuseForeignHands(parent);
  await removeAbandoned(parent);
  try {
    const path = await mkdtemp(join(parent.path, `${prefix}${process.pid}-`));
    return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
  } catch (error) {
    throw fileError(error, parent.path, 'configuration');
  }
}

/** Removes the folders of processes that no longer run: only those that this user made and nobody else can look into. */
async function removeAbandoned(parent: HeldFolder): Promise<void> {
  for (const name of await parent.names().catch((): string[] => [])) {
    const pid = name.startsWith(prefix) ? Number.parseInt(name.slice(prefix.length), 10) : Number.NaN;
    if (Number.isNaN(pid) || isRunning(pid)) continue;
    if (!(await isOurs(parent, name))) continue;
    // Nobody else can exchange it after that look, or anything in it: see `refuseForeignHands`.
    await rm(join(parent.path, name), { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Whether an entry is a folder of this user's own that nobody else can look into; no link to one. */
async function isOurs(parent: HeldFolder, name: string): Promise<boolean> {
  await using folder = await parent.child(name).catch(() => undefined);
  if (folder === undefined) return false;
  const { uid, mode } = await folder.stats();
  return uid === process.getuid?.() && (mode & 0o077) === 0;
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
