import { readdir, readlink } from 'node:fs/promises';

/** The paths with `part` in them that this process has open. Linux only, as the tests are. */
export async function openFilesOf(part: string): Promise<readonly string[]> {
  const numbers = await readdir('/proc/self/fd');
  const paths = await Promise.all(numbers.map((number) => readlink(`/proc/self/fd/${number}`).catch(() => '')));
  return paths.filter((path) => path.includes(part));
}
