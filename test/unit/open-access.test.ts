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
    expect(await checkAccessLog(await logOfThree())).toMatchObject({ lines: 3, wrongLine: undefined });
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
    expect(await checkAccessLog(path)).toMatchObject({ lines: 200, wrongLine: undefined });
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

  test.each([
    ['a part of a line', '{"n":4,"at"'],
    ['a line without its end', '{"n":4,"at":"2026-01-01T00:00:00Z","who":"anna","action":"x","before":"","hash":""}'],
    ['the zeros that a file system may leave', '\0'.repeat(512)],
  ])('is gone on with after a crash that left %s', async (_, torn) => {
    const path = await logOfThree();
    await appendFile(path, torn);
    const log = await AccessLog.open(path);
    await log.append(entry);
    await log.close();
    expect(await checkAccessLog(path)).toMatchObject({ lines: 4, wrongLine: undefined });
  });

  test.each([
    ['a line of something else', 'hello\n'],
    ['a text that is no line', 'hello'],
    ['the beginning of a line that does not follow', '{"n":9,"at":"2026-01-01'],
  ])('is not gone on with behind %s', async (_, other) => {
    const path = await logOfThree();
    await appendFile(path, other);
    await expect(AccessLog.open(path)).rejects.toThrow('does not end with a line of such a log');
    expect(await readFile(path, 'utf8')).toContain(other);
  });

  test('is not written by two programs at once', async () => {
    const path = await logOfThree();
    const logs = [await AccessLog.open(path), await AccessLog.open(path)];
    const outcomes = await Promise.allSettled(logs.map((log) => log.append(entry)));
    for (const log of logs) await log.close();
    expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBeLessThan(2);
  });

  test('is never made of another file, even one without a line', async () => {
    const path = join(await folder(), 'notes.txt');
    await writeFile(path, 'what somebody else wrote');
    await expect(AccessLog.open(path)).rejects.toMatchObject({ code: 'configuration' });
    expect(await readFile(path, 'utf8')).toBe('what somebody else wrote');
  });

  test('shows nothing any more when it was deleted', async () => {
    const path = await logOfThree();
    const log = await AccessLog.open(path);
    await rm(path);
    await expect(log.append(entry)).rejects.toMatchObject({ code: 'full' });
    await log.close();
  });

  test('shows nothing any more when it was shortened, and tells lines that were taken from its end', async () => {
    const path = await logOfThree();
    const { hash } = await checkAccessLog(path);
    const log = await AccessLog.open(path);
    await writeFile(path, `${(await readFile(path, 'utf8')).split('\n').slice(0, 2).join('\n')}\n`);
    await expect(log.append(entry)).rejects.toMatchObject({ code: 'full' });
    await log.close();
    expect((await checkAccessLog(path)).hash).not.toBe(hash);
  });

  test('tells of programs that did not come to their end, or whose last lines were taken away', async () => {
    const path = join(await folder(), 'access.jsonl');
    for (const cutLines of [0, 2, 0]) {
      const log = await AccessLog.open(path);
      await log.begin();
      await log.append(entry);
      await log.close();
      const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
      await writeFile(path, `${lines.slice(0, lines.length - cutLines).join('\n')}\n`);
    }
    expect(await checkAccessLog(path)).toMatchObject({ lines: 7, wrongLine: undefined, withoutEnd: 1 });
  });
});
