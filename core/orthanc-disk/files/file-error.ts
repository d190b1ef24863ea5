/** Errors of the file system as errors of known meaning. */
import { type ErrorCode, isMirrorError, MirrorError } from '../../errors.ts';

const meanings: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'may not be accessed by this user',
  EPERM: 'may not be accessed by this user',
  EISDIR: 'is a folder',
  ENOTDIR: 'is no folder',
  EROFS: 'lies on a file system that is read-only',
  EIO: 'cannot be read: the disk reports an error',
  EXDEV: 'lies on another file system',
};

/** The code of a system error, e.g. `ENOENT`; `undefined` for anything else. */
export function systemCode(error: unknown): string | undefined {
  if (isMirrorError(error)) return undefined;
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Whether this user lacks a right: that concerns all files, anything else the one that was met. */
export function isForbidden(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes(systemCode(error) ?? '');
}

/**
 * Makes the error of a failed access to `path`: `full` when the disk is full, else `code`. Paths of Orthanc's storage
 * and configuration hold uuids and folder names, no patient data.
 */
export function fileError(error: unknown, path: string, code: ErrorCode): MirrorError {
  if (isMirrorError(error)) return error;
  const system = systemCode(error);
  if (system === 'ENOSPC' || system === 'EDQUOT') {
    return new MirrorError('full', `${path}: no space left on its disk; make room and run again`, { cause: error });
  }
  const meaning = meanings[system ?? ''] ?? `failed (${system ?? 'unknown reason'})`;
  return new MirrorError(code, `${path} ${meaning}`, { cause: error });
}
