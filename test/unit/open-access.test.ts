import { appendFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { AccessControl } from '../../cli/open/access.ts';
import { AccessLog, checkAccessLog } from '../../cli/open/access-log.ts';
import { addUser, readUsers } from '../../cli/open/users.ts';

const password = 'correct horse battery';

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'open-access-'));
  onTestFinished(() => rm(path, { recursive: true, force: true }));
  return path;
}

const basic = (name: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`,
});
const asking = (headers: Record<string, string>, address = '192.0.2.1') => ({ headers, address });

async function usersFile(): Promise<string> {
  const path = join(await folder(), 'users');
  await addUser(path, 'anna', password);
  return path;
}

describe('with a file of users', () => {
  test('who gives the password is known, and nobody else', async () => {
    const access = new AccessControl({ users: await readUsers(await usersFile()) });
    expect(await access.who(asking(basic('anna', password)))).toBe('anna');
    expect(await access.who(asking(basic('anna', password)))).toBe('anna');
    for (const headers of [
      basic('anna', 'wrong'),
      basic('bert', password),
      {},
      { authorization: 'Basic ???' },
      { authorization: 'Digest x' },
    ]) {
      await expect(access.who(asking(headers))).rejects.toMatchObject({ status: 401 });
    }
  });

  test('too many wrong passwords from one address are refused, until some time has passed', async () => {
    let nowMs = 0;
    const access = new AccessControl({ users: await readUsers(await usersFile()), nowMs: () => nowMs });
    for (let count = 0; count < 10; count += 1) {
      await expect(access.who(asking(basic('anna', `wrong ${count}`)))).rejects.toMatchObject({ status: 401 });
    }
    await expect(access.who(asking(basic('anna', 'wrong again')))).rejects.toMatchObject({ status: 429 });
    expect(await access.who(asking(basic('anna', password), '192.0.2.2'))).toBe('anna');
    nowMs += 60_000;
    expect(await access.who(asking(basic('anna', password)))).toBe('anna');
  });

  test('no password is in the file, and only its owner can read it', async () => {
    const path = await usersFile();
    expect(await readFile(path, 'utf8')).not.toContain(password);
    expect((await stat(path)).mode & 0o077).toBe(0);
  });

  test.each([
    ['a name with a colon', 'a:b', password],
    ['a short password', 'bert', 'short'],
    ['a user that is there', 'anna', password],
  ])('%s cannot be added', async (_, name, secret) => {
    await expect(addUser(await usersFile(), name, secret)).rejects.toMatchObject({ code: 'configuration' });
  });

  test.each([
    ['anna:scrypt:32768:8:1:c2FsdA==:short'],
    ['anna:md5:1:1:1:a:b'],
    [`anna:scrypt:${2 ** 40}:8:1:c2FsdA==:${'A'.repeat(43)}=`],
    ['anna'],
  ])('the line %.30s is refused with its number', async (line) => {
    const path = join(await folder(), 'users');
    await writeFile(path, `# users\n${line}\n`);
    await expect(readUsers(path)).rejects.toThrow('line 2');
  });
});

test('with a token, who sends it is known, and nobody else', async () => {
  const access = new AccessControl({ token: 'a'.repeat(64) });
  expect(await access.who(asking({ authorization: `Bearer ${'a'.repeat(64)}` }))).toBe('token');
  await expect(access.who(asking({ authorization: `Bearer ${'b'.repeat(64)}` }))).rejects.toMatchObject({
    status: 401,
  });
});

describe('without a password', () => {
  const access = new AccessControl({});

  test.each([['127.0.0.1:8043'], ['localhost:8043'], ['[::1]:8043'], ['LOCALHOST']])(
    'who asks for %s is answered',
    async (host) => {
      expect(await access.who(asking({ host }))).toBe('loopback');
    },
  );

  test.each([['evil.example'], ['127.0.0.1.evil.example:8043'], ['']])(
    'who asks for %j is refused: its name may point here',
    async (host) => {
      await expect(access.who(asking({ host }))).rejects.toMatchObject({ status: 403 });
    },
  );

  test('another page may not ask in the name of the user', async () => {
    const from = (site: string, mode: string) =>
      asking({ host: 'localhost', 'sec-fetch-site': site, 'sec-fetch-mode': mode });
    await expect(access.who(from('cross-site', 'no-cors'))).rejects.toMatchObject({ status: 403 });
    expect(await access.who(from('same-origin', 'cors'))).toBe('loopback');
    expect(await access.who(from('cross-site', 'navigate'))).toBe('loopback');
  });
});

describe('the access log', () => {
  const entry = { who: 'anna', action: 'retrieve', study: 'study', status: 200 };

  async function logOfThree(): Promise<string> {
    const path = join(await folder(), 'access.jsonl');
    for (let count = 0; count < 3; count += 1) {
      const log = await AccessLog.open(path, () => new Date('2026-01-01T00:00:00Z'));
      await log.append({ ...entry, id: `id ${count}` });
      await log.close();
    }
    return path;
  }

  test('is one chain, also over several starts', async () => {
    expect(await checkAccessLog(await logOfThree())).toEqual({ lines: 3, wrongLine: undefined });
  });

  test.each([
    [
      'changed',
      (lines: string[]) => lines.map((line, index) => (index === 1 ? line.replace('anna', 'bert') : line)),
      2,
    ],
    ['taken out', (lines: string[]) => lines.filter((_, index) => index !== 1), 2],
    ['taken out at the beginning', (lines: string[]) => lines.slice(1), 1],
    ['moved', (lines: string[]) => lines.toReversed(), 1],
    ['put in', (lines: string[]) => [lines[0] ?? '', lines[0] ?? '', ...lines.slice(1)], 2],
  ])('shows that a line was %s', async (_, change, wrongLine) => {
    const path = await logOfThree();
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    await writeFile(path, `${change(lines).join('\n')}\n`);
    expect((await checkAccessLog(path)).wrongLine).toBe(wrongLine);
  });

  test('keeps its order when many are written at once', async () => {
    const path = join(await folder(), 'access.jsonl');
    const log = await AccessLog.open(path);
    await Promise.all(Array.from({ length: 200 }, () => log.append(entry)));
    await log.close();
    expect(await checkAccessLog(path)).toEqual({ lines: 200, wrongLine: undefined });
  });

  test('is not written by two programs', async () => {
    const path = await logOfThree();
    const log = await AccessLog.open(path);
    const other = await AccessLog.open(path);
    await other.append(entry);
    await expect(log.append(entry)).rejects.toMatchObject({ code: 'full' });
    await log.close();
    await other.close();
  });

  test.each([['/dev/null'], ['/']])('cannot be %s', async (path) => {
    await expect(AccessLog.open(path)).rejects.toMatchObject({ code: 'configuration' });
  });

  test('is not gone on with behind a line that is torn', async () => {
    const path = await logOfThree();
    await appendFile(path, '{"n":4,"at"');
    await expect(AccessLog.open(path)).rejects.toThrow('whole line');
  });
});
