/** The program as it was at another commit, to be measured beside the one that is here. */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endWithProcess } from '../local/end-with-process.ts';

export interface OtherProgram extends AsyncDisposable {
  readonly bin: string;
}

/** Lays the files of a commit of this repository down beside it; they share the dependencies that are installed here. */
export async function programAt(commit: string): Promise<OtherProgram> {
  const root = new URL('..', import.meta.url).pathname;
  const folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-against-'));
  const removeNow = () => rmSync(folder, { recursive: true, force: true });
  const takeBackEnding = endWithProcess(removeNow);
  const remove = async () => {
    takeBackEnding();
    removeNow();
  };
  const { stdout, stderr, status } = spawnSync('git', ['-C', root, 'archive', '--format=tar', commit], {
    maxBuffer: 1024 ** 3,
  });
  const unpacked = status === 0 ? spawnSync('tar', ['-x', '-C', folder], { input: stdout }).status : undefined;
  if (unpacked !== 0) {
    await remove();
    throw new Error(`${commit} cannot be checked out: ${stderr.toString().trim() || 'tar failed'}`);
  }
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return { bin: join(folder, 'bin', 'orthanc-mirror'), [Symbol.asyncDispose]: remove };
}
