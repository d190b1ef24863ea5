/** The Orthanc programs of this machine: which versions there are to run a real server of. */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync, realpathSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One installed Orthanc. */
export interface OrthancProgram {
  /** As the program calls itself: `1.12.7`, or `mainline` for a development build. */
  readonly version: string;
  readonly bin: string;
}

/** The first version whose listings tell hashes (extended find). */
const firstWithExtendedFind = [1, 12, 5];

const installedBesides = fileURLToPath(new URL('../.cache/orthanc', import.meta.url));

let found: readonly OrthancProgram[] | undefined;

/**
 * Lists the installed versions from the oldest to the newest, each once: those named in `ORTHANC_BINS` and
 * `ORTHANC_BIN`, `Orthanc` on the PATH, the distribution's, and those of `scripts/install-orthanc.sh`.
 */
export function orthancVersions(): readonly OrthancProgram[] {
  found ??= distinctVersions(candidates().flatMap(programAt));
  return found;
}

/** @returns the oldest installed Orthanc without extended find; throws, saying what to install, if there is none. */
export function oldOrthanc(): OrthancProgram {
  const program = orthancVersions().find(({ version }) => !hasExtendedFind(version));
  if (program) return program;
  throw new Error(`No Orthanc before 1.12.5 ${known()}: run scripts/setup.sh --demo, or name one in ORTHANC_BINS.`);
}

/** @returns the newest installed Orthanc with extended find; throws, saying what to install, if there is none. */
export function newOrthanc(): OrthancProgram {
  const program = orthancVersions().findLast(({ version }) => hasExtendedFind(version));
  if (program) return program;
  throw new Error(`No Orthanc from 1.12.5 on ${known()}: run scripts/setup.sh --test, or name one in ORTHANC_BINS.`);
}

/** @returns the installed Orthanc of this version, or the oldest of all when no version is asked for. */
export function orthancOfVersion(version: string | undefined): OrthancProgram {
  const all = orthancVersions();
  const program = version === undefined ? all[0] : all.find((candidate) => candidate.version === version);
  if (program) return program;
  throw new Error(`No Orthanc ${version ?? ''} ${known()}: run scripts/setup.sh --demo or scripts/install-orthanc.sh.`);
}

function known(): string {
  const versions = orthancVersions().map(({ version }) => version);
  return versions.length === 0 ? 'is installed' : `is installed (only ${versions.join(', ')})`;
}

function candidates(): string[] {
  const named = [process.env.ORTHANC_BINS, process.env.ORTHANC_BIN].flatMap((list) => (list ?? '').split(':'));
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'Orthanc'));
  return [...named.filter((bin) => bin !== ''), ...onPath, '/usr/sbin/Orthanc', ...besides()];
}

function besides(): string[] {
  try {
    return readdirSync(installedBesides).map((version) => join(installedBesides, version, 'Orthanc'));
  } catch {
    return []; // nothing was installed by the script
  }
}

function programAt(bin: string): OrthancProgram[] {
  try {
    accessSync(bin, constants.X_OK);
  } catch {
    return [];
  }
  const { stdout } = spawnSync(realpathSync(bin), ['--version'], { encoding: 'utf8', timeout: 20_000 });
  const version = /Orthanc (\S+)/.exec(stdout ?? '')?.[1];
  return version === undefined ? [] : [{ version, bin: realpathSync(bin) }];
}

function distinctVersions(programs: readonly OrthancProgram[]): OrthancProgram[] {
  const byVersion = new Map<string, OrthancProgram>();
  for (const program of programs) if (!byVersion.has(program.version)) byVersion.set(program.version, program);
  return [...byVersion.values()].sort((a, b) => compareVersions(numbersOf(a.version), numbersOf(b.version)));
}

function hasExtendedFind(version: string): boolean {
  return compareVersions(numbersOf(version), firstWithExtendedFind) >= 0;
}

/** A version without numbers (`mainline`) is newer than all others. */
function numbersOf(version: string): number[] {
  const numbers = version.split('.').map(Number);
  return numbers.every(Number.isInteger) ? numbers : [Number.POSITIVE_INFINITY];
}

function compareVersions(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
