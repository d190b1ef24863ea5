/**
 * Makes keys of passphrases at once, in the process that imports this first: the half second that one costs on purpose
 * would, a hundred times over, prove nothing. `test/unit/host-backup-secrets.test.ts`, which holds the keys against
 * another program's, and `test/e2e/readme.test.ts` do not import it.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';

crypto.scrypt = new Proxy(crypto.scrypt, {
  apply: (scrypt, self, [passphrase, salt, length, , done]) =>
    Reflect.apply(scrypt, self, [passphrase, salt, length, { N: 2 }, done]),
});
syncBuiltinESMExports();
