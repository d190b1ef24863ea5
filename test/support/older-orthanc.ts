/** An Orthanc that only tests of old databases run: installed by scripts/setup.sh --test. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { OrthancProgram } from '../../local/orthanc-versions.ts';

const version = '1.9.1';

/** The last version that upgrades databases of every version. Throws with what to run if it is not installed. */
export function olderOrthanc(): OrthancProgram {
  const bin = fileURLToPath(new URL(`../../.cache/orthanc-older/${version}/Orthanc`, import.meta.url));
  if (!existsSync(bin)) throw new Error(`Orthanc ${version} is not installed: run scripts/setup.sh --test`);
  return { version, bin };
}
