/** Real Orthanc servers with the Python plugin of the same Debian suite, installed at their first use. */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../..', import.meta.url));
const cache = join(repository, '.cache', 'orthanc-python');

/** The suites' servers and the version of the Python plugin that each has. */
export const pythonPluginVersions = { '1.10.1': '4.0', '1.12.7': '5.0', '1.13.0': '7.1' } as const;
export type VersionWithPython = keyof typeof pythonPluginVersions;

export interface OrthancWithPython {
  readonly bin: string;
  readonly pythonPlugin: string;
}

/** Finds its neighbours wherever the folder is moved to. */
const launcher = `#!/bin/sh
root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
PYTHONHOME="$root/usr" exec "$root/Orthanc" "$@"
`;

/**
 * Installs a server with its plugin and its own Python unless that was done before (about 10 s and 300 MB; Debian and
 * root). Throws with what the installation said.
 */
export function orthancWithPython(version: VersionWithPython): OrthancWithPython {
  const folder = join(cache, version);
  const bin = join(folder, 'OrthancWithPython');
  if (!existsSync(bin)) install(version, folder, bin);
  return { bin, pythonPlugin: join(folder, 'usr/share/orthanc/plugins/libOrthancPython.so') };
}

function install(version: string, folder: string, bin: string): void {
  mkdirSync(cache, { recursive: true });
  // Two test files may need the same server at once.
  const script = join(repository, 'scripts', 'install-orthanc.sh');
  const lock = join(cache, `${version}.lock`);
  const { status, stderr } = spawnSync('flock', [lock, 'sh', script, version, folder, 'orthanc-python'], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`Orthanc ${version} with its Python plugin is needed here.\n${stderr}`);
  // The plugin's Python finds its own library, not the one of this machine.
  writeFileSync(bin, launcher);
  chmodSync(bin, 0o755);
}
