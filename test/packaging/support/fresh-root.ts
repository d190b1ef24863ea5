/** A Debian as it comes, in which a test installs and runs something, as root; it is gone when the test has finished. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { endWithProcess } from '../../../local/end-with-process.ts';
import { needs } from '../../support/needs.ts';
import { type Ended, run } from './run-program.ts';

const checkout = fileURLToPath(new URL('../../..', import.meta.url));
const enter = fileURLToPath(new URL('enter-root.sh', import.meta.url));
const namespaces = ['--mount', '--pid', '--fork', '--kill-child'];

function folderOf(base: Base): string {
  return join(checkout, '.cache/fresh-root', base);
}

export type Base = 'bare' | 'systemd';

/** Whether the machine permits it: root, and what `scripts/setup.sh --test` unpacks. */
export const freshRootsWork = needs(
  process.getuid?.() === 0 && existsSync(folderOf('bare')) && existsSync(folderOf('systemd')),
  'root and the fresh Debians of scripts/setup.sh --test',
);

export class FreshRoot {
  readonly #base: string;
  readonly #state: string;
  readonly #shared: string;
  #started: ChildProcess | undefined;
  /** Of systemd, as this machine counts. */
  #initPid: number | undefined;

  private constructor(base: Base, state: string, shared: string) {
    this.#base = folderOf(base);
    this.#state = state;
    this.#shared = shared;
  }

  /** @param shared a folder of this machine, which is `/mnt` inside */
  static async forTest(base: Base, shared: string): Promise<FreshRoot> {
    const state = await mkdtemp(join(tmpdir(), 'orthanc-mirror-root-'));
    const root = new FreshRoot(base, state, shared);
    onTestFinished(async () => {
      await root.#shutDown();
      await rm(state, { recursive: true, force: true, maxRetries: 5 });
    });
    return root;
  }

  /** Runs a shell script inside. */
  run(script: string): Promise<Ended> {
    const inside = ['sh', '-euc', script];
    if (this.#initPid !== undefined) {
      return run('nsenter', ['--target', String(this.#initPid), '--mount', '--pid', '--', ...inside]);
    }
    return run('unshare', [...namespaces, 'sh', enter, 'plain', this.#base, this.#state, this.#shared, ...inside]);
  }

  /** Starts systemd as the first process inside. Services of it reach servers of this machine on loopback. */
  async boot(): Promise<void> {
    const console = join(this.#state, 'console');
    await writeFile(console, '');
    const args = ['sh', enter, 'systemd', this.#base, this.#state, this.#shared];
    const started = spawn('unshare', [...namespaces, '--uts', '--ipc', ...args], { stdio: 'ignore' });
    this.#started = started;
    endWithProcess(() => started.kill('SIGKILL'));
    const children = `/proc/${started.pid}/task/${started.pid}/children`;
    for (let tries = 0; tries < 300; tries += 1) {
      const pid = Number((await readFile(children, 'utf8').catch(() => '')).trim());
      if (pid > 0) {
        this.#initPid = pid;
        if ((await this.run('systemctl is-active basic.target')).stdout === 'active\n') return;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`systemd does not start: ${(await readFile(console, 'utf8')).split('\n').slice(-10).join('\n')}`);
  }

  /** Ends systemd and all that it started. */
  async #shutDown(): Promise<void> {
    if (this.#started === undefined) return;
    const ended = once(this.#started, 'exit');
    this.#started.kill('SIGKILL');
    await ended;
    const { exitCode, stderr } = await run('unshare', ['--mount', 'sh', enter, 'clean', this.#state]);
    if (exitCode !== 0) throw new Error(`control groups are left behind: ${stderr}`);
  }
}

/** Runs the command of an unpacked image as its user, with nothing to write to but `/tmp` and `/mnt`. */
export function runImage(root: string, shared: string, user: string, command: readonly string[]): Promise<Ended> {
  return run('unshare', [...namespaces, 'sh', enter, 'image', root, shared, user, ...command]);
}
