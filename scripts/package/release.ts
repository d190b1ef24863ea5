/** Which version is packed, of which state of the source, and with which time in it. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

export interface Release {
  readonly checkout: string;
  readonly version: string;
  readonly description: string;
  /** Of the source; undefined outside of git. */
  readonly commit: string | undefined;
  /** The only time in the artefacts: SOURCE_DATE_EPOCH, or when the source was committed. */
  readonly time: Date;
  /** Node's name of the processor. */
  readonly processor: 'x64' | 'arm64';
  /** The package of Node that the lock file pins for the processor. */
  readonly nodeFolder: string;
  /** Packs in a fraction of the time, for tests: the artefacts are larger, and the same otherwise. */
  readonly fast: boolean;
}

const packageFile = z.object({ version: z.string(), description: z.string() });

/** Throws when there is no time to take, or no Node for this processor. */
export function releaseOf(checkout: string, fast: boolean): Release {
  const { version, description } = packageFile.parse(JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8')));
  const processor = z.enum(['x64', 'arm64']).parse(process.arch);
  const nodeFolder = join(checkout, 'node_modules', `node-linux-${processor}`);
  if (!existsSync(nodeFolder))
    throw new Error(`${nodeFolder} is missing: packages are made on Linux, after scripts/setup.sh`);
  const epoch = process.env.SOURCE_DATE_EPOCH ?? git(checkout, 'log', '-1', '--format=%ct');
  if (epoch === undefined)
    throw new Error('set SOURCE_DATE_EPOCH: there is no git here that tells the time of the source');
  const time = new Date(Number(epoch) * 1000);
  return {
    checkout,
    version,
    description,
    commit: git(checkout, 'rev-parse', 'HEAD'),
    time,
    processor,
    nodeFolder,
    fast,
  };
}

function git(checkout: string, ...args: readonly string[]): string | undefined {
  try {
    return execFileSync('git', ['-C', checkout, ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return undefined;
  }
}
