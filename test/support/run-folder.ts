/**
 * Around a whole run of tests: tells with which seed it can be repeated, gives all that it writes a folder of its own,
 * and fails when a test left something there.
 */
import { chmod, mkdtemp, readdir, readFile, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const memory = '/dev/shm';
const enoughBytes = 8 * 1024 ** 3;

/** What all tests of a run share, and nobody removes before its end. */
const shared = ['bundled-functions', 'bundled-program'];

export default async function aroundTheRun(): Promise<() => Promise<void>> {
  console.log(`TEST_SEED=${process.env.TEST_SEED}`);
  const before = process.env.TMPDIR;
  const folder = await mkdtemp(join(await place(), 'mirror-'));
  // As /tmp is: databases and programs of other users make their own in it.
  await chmod(folder, 0o1777);
  process.env.TMPDIR = folder;
  return async () => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    const left = (await readdir(folder)).filter((name) => !shared.includes(name));
    await rm(folder, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`tests left behind: ${left.join(', ')}`);
  };
}

/** Memory, where there is enough and programs may run in it: synchronizing a disk thousands of times proves nothing here. */
async function place(): Promise<string> {
  const { bavail, bsize } = await statfs(memory).catch(() => ({ bavail: 0, bsize: 0 }));
  const mounts = await readFile('/proc/mounts', 'utf8').catch(() => '');
  const [options = 'noexec'] = mounts
    .split('\n')
    .flatMap((line) => (line.split(' ')[1] === memory ? [line.split(' ')[3] ?? ''] : []));
  return bavail * bsize >= enoughBytes && !options.split(',').includes('noexec') ? memory : tmpdir();
}
