/** Runs a program of the checkout as a user without rights: root may read everything. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../..', import.meta.url));

/**
 * @param program its path in the checkout, which is shown to that user where everybody may go: the checkout may lie below
 *   a home that others may not enter
 * @param environment is all that it has
 */
export function runAsNobody(program: string, args: readonly string[], environment: NodeJS.ProcessEnv = process.env) {
  const options = { env: { ...environment, NODE_COMPILE_CACHE: undefined }, encoding: 'utf8' } as const;
  if (process.getuid?.() !== 0) return spawnSync(`${checkout}${program}`, args, options);
  const script = `mount --bind "$1" /mnt; cd /mnt; program=$2; shift 2
    exec setpriv --reuid 65534 --regid 65534 --clear-groups "./$program" "$@"`;
  return spawnSync('unshare', ['--mount', 'sh', '-euc', script, 'sh', checkout, program, ...args], options);
}
