/** What an error of the file system means, decided once. */
import { type ErrorCode, isMirrorError, MirrorError } from '../../errors.ts';

const meanings: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOSPC: ['full', 'no space is left on the file system'],
  EDQUOT: ['full', 'the quota of the file system is used up'],
  EACCES: ['forbidden', 'the file system permits no access; check owner and mode of the folder'],
  EPERM: ['forbidden', 'the file system forbids the operation; it must permit writing and hard links'],
  EROFS: ['read-only', 'the file system is mounted read-only'],
  ENOTSUP: ['configuration', 'the file system has no hard links; choose one that has, such as ext4, XFS, ZFS or NFS'],
  EMLINK: ['configuration', 'the file system permits no further hard link'],
  EXDEV: ['configuration', 'the folder spans several file systems; it must lie within one'],
  ELOOP: ['configuration', 'a folder in it is a link, and links are not followed; mount there what it leads to'],
  ENAMETOOLONG: ['configuration', 'the path is too long for the file system'],
  ENOTDIR: ['configuration', 'a file lies where a folder is expected'],
  EISDIR: ['configuration', 'a folder lies where a file is expected'],
  ENOENT: ['configuration', 'the folder does not exist; create it, or mount what it lies on'],
  EMFILE: ['busy', 'too many files are open'],
  ENFILE: ['busy', 'too many files are open on this machine'],
  ETIMEDOUT: ['unreachable', 'the file system does not answer'],
  ESTALE: ['unreachable', 'the network file system was interrupted'],
};

/** @returns the error of a key under which something lies that can be no object: reading it could wait for ever. */
export function specialFile(name: string, key: string): MirrorError {
  const what = 'is a link, pipe, socket or device, which no archive has: find out who made it, and move it away';
  return new MirrorError('archive-format', `${name}: ${key} ${what}`, { disposition: 'reject' });
}

/** @returns an error as the file system's own for a folder that is a link: what is written there would land elsewhere. */
export function linkedFolder(): Error {
  return Object.assign(new Error('a folder is a link'), { code: 'ELOOP' });
}

/** @returns whether `error` is one of the file system's with the given code, such as `ENOENT`. */
export function hasErrorCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** @returns the MirrorError for what a call on the file system threw; any other error stays what it is. */
export function folderError(name: string, error: unknown): unknown {
  if (isMirrorError(error) || !(error instanceof Error && 'code' in error && typeof error.code === 'string')) {
    return error;
  }
  const [code, meaning] = meanings[error.code] ?? ['server-error', `the file system failed (${error.code})`];
  return new MirrorError(code, `${name}: ${meaning}`, { cause: error, store: name });
}

/** Does `work`, which calls the file system, and throws its errors as {@link folderError}s. */
export async function onFolder<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw folderError(name, error);
  }
}

/** @returns what a promise is fulfilled with, or `undefined` where it is rejected because there is no such file. */
export async function unlessAbsent<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT') || hasErrorCode(error, 'ENOTDIR')) {
      return undefined;
    }
    throw error;
  }
}
