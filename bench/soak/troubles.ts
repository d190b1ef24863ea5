/** What goes wrong in a soak, each for a while. */
import { execFileSync } from 'node:child_process';
import { readFile, rename, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { OrthancServer } from '../../local/orthanc-server.ts';
import type { FaultProxy } from '../../test/support/fault-proxy.ts';
import type { SeededRandom } from './random.ts';

export interface Trouble {
  readonly name: string;
  begin(): Promise<void>;
  end(): Promise<void>;
}

/** The places that troubles befall. */
export interface Site {
  readonly source: OrthancServer;
  readonly target: OrthancServer;
  /** Stands before the target. */
  readonly toTarget: FaultProxy;
  /** Password file of the mirror. */
  readonly passwordFile: string;
  /** What the target's password is now. */
  password: string;
  /** Where the mirror finds its archive: below `mountPoint`. */
  readonly mountPoint: string;
  /** The file system of the archive, always mounted here; absent where nothing can be mounted. */
  readonly disk: string | undefined;
}

export const userName = 'mirror';

/** Every trouble that can be made here. */
export function troublesOf(site: Site, random: SeededRandom): readonly Trouble[] {
  const { source, target } = site;
  return [
    { name: 'calm', begin: nothing, end: nothing },
    { name: 'source restarted', begin: () => source.pause(), end: () => source.restart() },
    { name: 'source killed', begin: () => source.kill(), end: () => source.restart() },
    { name: 'target restarted', begin: () => target.pause(), end: () => target.restart() },
    { name: 'target killed', begin: () => target.kill(), end: () => target.restart() },
    archiveMoved(site),
    passwordRotated(site, random),
    targetFull(site),
    ...(site.disk === undefined ? [] : [mountPointEmpty(site, site.disk), diskFull(site.disk)]),
  ];
}

async function nothing(): Promise<void> {}

function archiveMoved({ mountPoint }: Site): Trouble {
  const [archive, aside] = [join(mountPoint, 'archive'), join(mountPoint, 'aside')];
  return {
    name: 'archive folder away',
    begin: () => rename(archive, aside),
    end: () => rename(aside, archive),
  };
}

function mountPointEmpty({ mountPoint }: Site, disk: string): Trouble {
  return {
    name: 'mount point empty',
    begin: async () => void execFileSync('umount', ['--lazy', mountPoint]),
    end: async () => void execFileSync('mount', ['--bind', disk, mountPoint]),
  };
}

/** The file system shrinks to what it holds, and grows again. */
function diskFull(disk: string): Trouble {
  const resize = (bytes: number) =>
    void execFileSync('mount', ['-o', `remount,size=${bytes}`, disk], { stdio: 'ignore' });
  let sizeBytes = 0;
  return {
    name: 'disk full',
    begin: async () => {
      const { bsize, blocks } = await statfs(disk);
      sizeBytes = bsize * blocks;
      await shrink(disk, resize);
    },
    end: async () => resize(sizeBytes),
  };
}

/** What is written between looking and shrinking makes the size too small: then it is looked again. */
async function shrink(disk: string, resize: (bytes: number) => void, spareBlocks = 4): Promise<void> {
  const { bsize, blocks, bfree } = await statfs(disk);
  try {
    resize(bsize * (blocks - bfree + spareBlocks));
  } catch (error) {
    if (spareBlocks > 100_000) throw error;
    await delay(100);
    await shrink(disk, resize, spareBlocks * 4);
  }
}

/** The server gets another password at once, the mirror's file only when the trouble is over. */
function passwordRotated(site: Site, random: SeededRandom): Trouble {
  return {
    name: 'password rotated',
    begin: async () => {
      site.password = `password ${random.whole(0, 1_000_000)}`;
      await reconfigure(site.target, { RegisteredUsers: { [userName]: site.password } });
    },
    end: () => writeFile(site.passwordFile, `${site.password}\n`),
  };
}

/** It answers questions, and has no room for an instance. */
function targetFull({ toTarget }: Site): Trouble {
  return {
    name: 'target full',
    begin: async () => {
      const isPost = ({ method, path }: { method: string; path: string }) => method === 'POST' && path === '/instances';
      toTarget.break({ effect: { kind: 'status', status: 507 }, matches: isPost });
    },
    end: async () => toTarget.repair(),
  };
}

async function reconfigure(server: OrthancServer, changed: Readonly<Record<string, unknown>>): Promise<void> {
  const known = JSON.parse(await readFile(server.configPath, 'utf8')) as Record<string, unknown>;
  await writeFile(server.configPath, JSON.stringify({ ...known, ...changed }, null, 2));
  await server.pause();
  await delay(500);
  await server.restart();
}
