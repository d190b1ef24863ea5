/**
 * Makes keys of passphrases at once, in the process that imports this: the half second that one costs on purpose would, a
 * hundred times over, prove nothing. `test/unit/host-backup-secrets.test.ts`, which holds a key against another program's,
 * sets it aside; the commands of `test/e2e/readme.test.ts` run without it.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

export const passphrases = { areQuick: true };

crypto.scrypt = new Proxy(crypto.scrypt, {
  apply: (scrypt, self, [passphrase, salt, length, cost, done]) =>
    Reflect.apply(scrypt, self, [passphrase, salt, length, passphrases.areQuick ? { N: 2 } : cost, done]),
});
syncBuiltinESMExports();
