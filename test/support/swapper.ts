/** Another user of the machine who exchanges parts of paths, as fast as they can, while root works on them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { endWithProcess } from '../../local/end-with-process.ts';

/** The user `nobody` of every Linux. */
export const nobody = 65534;

/** Node itself may lie where that user may not go: it begins as root, and then becomes them. */
const becomeNobody = `
  process.setgroups([]);
  process.setgid(${nobody});
  process.setuid(${nobody});`;

/** Exchanges each path in turn for a link to the target, and back, until the process is ended. */
const exchangeAll = `
  const { renameSync, symlinkSync, unlinkSync } = require('node:fs');
  const [target, ...paths] = process.argv.slice(1);
  const attempt = (work) => { try { work(); } catch {} };
  process.stdout.write('begun');
  for (;;) {
    for (const path of paths) {
      attempt(() => renameSync(path, path + '.away'));
      attempt(() => symlinkSync(target, path));
      attempt(() => unlinkSync(path));
      attempt(() => renameSync(path + '.away', path));
    }
  }`;

/** Waits until somebody removes a file of the folder, and then puts a link to the target in its place. */
const exchangeOnRemoval = `
  const { existsSync, renameSync, symlinkSync } = require('node:fs');
  const [target, folder, ...files] = process.argv.slice(1);
  process.stdout.write('begun');
  while (files.every((file) => existsSync(file)));
  renameSync(folder, folder + '.away');
  symlinkSync(target, folder);`;

/** Exchanges paths for links to the target, again and again, until it is disposed of. Needs root, to become nobody. */
export function startSwapper(target: string, paths: readonly string[]): Promise<AsyncDisposable> {
  return start(exchangeAll, [target, ...paths]);
}

/** Exchanges a folder for a link to the target as soon as one of its files is removed. Needs root, to become nobody. */
export function startLurker(target: string, folder: string, files: readonly string[]): Promise<AsyncDisposable> {
  return start(exchangeOnRemoval, [target, folder, ...files]);
}

async function start(script: string, args: readonly string[]): Promise<AsyncDisposable> {
  const child: ChildProcess = spawn(process.execPath, ['-e', becomeNobody + script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {},
  });
  const exited = once(child, 'exit');
  const takeBack = endWithProcess(() => child.kill('SIGKILL'));
  if (child.stdout !== null) await once(child.stdout, 'data');
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await exited;
      takeBack();
    },
  };
}
