/** Setting up a checkout for the command line alone. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { needs } from '../support/needs.ts';
import { run } from './support/run-program.ts';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const orthanc = '/usr/sbin/Orthanc';
const canHide = needs(
  process.getuid?.() === 0 && existsSync(orthanc),
  `root, to hide ${orthanc} and to be somebody else`,
);

test.runIf(canHide)('installs no Orthanc, and needs no root', async () => {
  const asNobody = 'setpriv --reuid 65534 --regid 65534 --clear-groups';
  const path = '/mnt/node_modules/.bin:/usr/bin:/bin';
  // The checkout may lie below a home that others may not enter.
  const script = `mount --bind '${checkout}' /mnt
    mount --bind /dev/null ${orthanc}
    cd /mnt
    ${asNobody} env -i PATH='${path}' sh scripts/setup.sh
    ${asNobody} env -i PATH='${path}' bin/orthanc-mirror --version`;
  const ended = await run('unshare', ['--mount', 'sh', '-euc', script]);
  expect(ended).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});
