/** What `npm run package` makes, made once for a file of tests, without the time that good compression takes. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll } from 'vitest';
import { run } from './run-program.ts';

const script = fileURLToPath(new URL('../../../scripts/package/package.ts', import.meta.url));

export interface Artefacts {
  readonly folder: string;
  /** Path of the one artefact with this ending. */
  path(ending: string): string;
}

/** Makes them before the tests of the file. @param only which, as `--only` takes them */
export function artefactsForFile(only: string): Artefacts {
  let folder = '';
  let names: readonly string[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'orthanc-mirror-dist-'));
    await makeArtefacts(folder, only);
    names = await readdir(folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return {
    get folder() {
      return folder;
    },
    path(ending) {
      const found = names.filter((name) => name.endsWith(ending));
      if (found[0] === undefined || found.length > 1) throw new Error(`not one artefact ends with ${ending}`);
      return join(folder, found[0]);
    },
  };
}

export async function makeArtefacts(folder: string, only: string): Promise<void> {
  const { exitCode, stderr } = await run(process.execPath, [script, '--fast', '--out', folder, '--only', only]);
  if (exitCode !== 0) throw new Error(`npm run package failed:\n${stderr}`);
}
