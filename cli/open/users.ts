/** The file of users: a line each, `name:scrypt:N:r:p:salt:hash`, salt and hash in base64; lines with `#` are comments. */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { MirrorError } from '../../core/errors.ts';

/** A user and what is known of the password. */
export interface User {
  readonly name: string;
  readonly cost: { readonly N: number; readonly r: number; readonly p: number };
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** About 50 ms and 32 MiB for each try. */
const cost = { N: 1 << 15, r: 8, p: 1 };
const hashBytes = 32;
const shortestPassword = 10;
/** What a file may ask for: its author must not be able to stop the program. */
const greatestCost = 1 << 18;
const mostWork = 1 << 22;

/** Reads the file. Throws `configuration` with the line that is wrong. */
export async function readUsers(path: string): Promise<ReadonlyMap<string, User>> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new MirrorError('configuration', `cannot read the file of --users, ${path}`, { cause });
  });
  const users = new Map<string, User>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const user = parseUser(line.trim());
    if (user === undefined) {
      throw new MirrorError(
        'configuration',
        `line ${index + 1} of ${path} is no user; add one by open --add-user NAME`,
      );
    }
    users.set(user.name, user);
  }
  if (users.size === 0) {
    throw new MirrorError('configuration', `${path} holds no user; add one by open --add-user NAME --users ${path}`);
  }
  return users;
}

/** Adds a user to a file, which is made if there is none. Throws `configuration`. */
export async function addUser(path: string, name: string, password: string): Promise<void> {
  if (!isUserName(name)) {
    throw new MirrorError('configuration', 'the name of a user has 1 to 64 letters, digits, dots, hyphens, @ or _');
  }
  if (password.length < shortestPassword) {
    throw new MirrorError('configuration', `a password has at least ${shortestPassword} characters`);
  }
  const present = await readFile(path, 'utf8').catch(() => '');
  if (present.split('\n').some((line) => line.startsWith(`${name}:`))) {
    throw new MirrorError('configuration', `${path} has a user of that name: take the line out first`);
  }
  const salt = randomBytes(16);
  const hash = await derive(password, { cost, salt });
  const fields = [name, 'scrypt', cost.N, cost.r, cost.p, salt.toString('base64'), hash.toString('base64')];
  await appendFile(path, `${fields.join(':')}\n`, { mode: 0o600 }).catch((cause: unknown) => {
    throw new MirrorError('configuration', `cannot write ${path}`, { cause });
  });
}

/** Whether a password is the user's. Takes as long for a user that there is not. */
export async function isPasswordOf(user: User | undefined, password: string): Promise<boolean> {
  const against = user ?? { cost, salt: Buffer.alloc(16), hash: Buffer.alloc(hashBytes) };
  const isEqual = timingSafeEqual(await derive(password, against), against.hash);
  return isEqual && user !== undefined;
}

function parseUser(line: string): User | undefined {
  const [name = '', method, N, r, p, salt = '', hash = '', ...more] = line.split(':');
  const found = { N: Number(N), r: Number(r), p: Number(p) };
  const isCost = [found.N, found.r, found.p].every((one) => Number.isInteger(one) && one >= 1 && one <= greatestCost);
  const decoded = Buffer.from(hash, 'base64');
  const isWhole = method === 'scrypt' && more.length === 0 && isCost && found.N * found.r * found.p <= mostWork;
  if (!isWhole || !isUserName(name) || decoded.length !== hashBytes) return undefined;
  return { name, cost: found, salt: Buffer.from(salt, 'base64'), hash: decoded };
}

function isUserName(name: string): boolean {
  return /^[\w.@-]{1,64}$/.test(name);
}

function derive(password: string, { cost: { N, r, p }, salt }: Pick<User, 'cost' | 'salt'>): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, hashBytes, { N, r, p, maxmem: 256 * N * r }, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
