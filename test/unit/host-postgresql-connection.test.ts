import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  clientConfig,
  connectionName,
  parsePostgresqlAddress,
  postgresqlCall,
} from '../../core/orthanc-disk/index/postgresql-connection.ts';

const keywordsOf = (text: string) => parsePostgresqlAddress(text).keywords;

describe('the address of a PostgreSQL database', () => {
  it.each([
    ['postgresql://', {}],
    ['postgres://db', { host: 'db' }],
    [
      'postgres://u:se%20c%2Fret@db:5433/orthanc',
      { user: 'u', password: 'se c/ret', host: 'db', port: '5433', dbname: 'orthanc' },
    ],
    [
      'postgres://u@[::1]:5433/o?sslmode=require',
      { user: 'u', host: '::1', port: '5433', dbname: 'o', sslmode: 'require' },
    ],
    [
      'postgres:///o?host=/run/pg&user=u&password=secret',
      { dbname: 'o', host: '/run/pg', user: 'u', password: 'secret' },
    ],
    ['postgres://u:first@db/o?password=second', { user: 'u', host: 'db', dbname: 'o', password: 'second' }],
    ['postgres://%2Frun%2Fpg/o?ssl=true', { host: '/run/pg', dbname: 'o', sslmode: 'require' }],
    [
      "host=db port=5433 user=u password='it\\'s a secret' dbname = orthanc",
      { host: 'db', port: '5433', user: 'u', password: "it's a secret", dbname: 'orthanc' },
    ],
    ['user=u password=a\\ b dbname=o', { user: 'u', password: 'a b', dbname: 'o' }],
    ["password='' dbname=o", { password: '', dbname: 'o' }],
  ])('%s is read as libpq reads it', (text, keywords) => {
    expect(keywordsOf(text)).toEqual(keywords);
  });

  it.each([
    'host=db password=secret nonsense',
    "host=db password='secret",
    'postgres://u:secret@one,two/o',
    'postgres://u:%zz@db/secret',
    'postgres://db/o?sslpassword=secret',
    'host=db service=secret',
    'secret',
  ])('%s is refused without telling it', (text) => {
    expect(() => parsePostgresqlAddress(text)).toThrow(expect.objectContaining({ code: 'configuration' }));
    expect(() => parsePostgresqlAddress(text)).not.toThrow(/secret/);
  });

  it('never has its password among the arguments of a program, or in its name, however it is written', () => {
    const value = fc.string({ minLength: 1, unit: 'grapheme' });
    fc.assert(
      fc.property(value, (password) => {
        const secret = `S3cret${password}`;
        const quoted = secret.replaceAll('\\', '\\\\').replaceAll("'", "\\'");
        const encoded = encodeURIComponent(secret);
        for (const text of [
          `postgres://u:${encoded}@db/o`,
          `postgres://u@db/o?password=${encoded}&sslmode=require`,
          `host=db password='${quoted}' dbname=o`,
        ]) {
          const connection = parsePostgresqlAddress(text);
          const { args, environment } = postgresqlCall('pg_dump', connection, ['--format=custom'], undefined);
          expect(args.join(' ')).not.toContain('S3cret');
          expect(environment).toEqual({ PGPASSWORD: secret });
          expect(clientConfig(connection).password).toBe(secret);
          expect(connectionName(connection)).toBe('postgres://db:5432/o');
        }
      }),
    );
  });

  it('is given to the programs as it is, but for the password', () => {
    const connection = parsePostgresqlAddress("host=db dbname='it''' application_name=a\\\\b".replace("''", "\\'"));
    const { args } = postgresqlCall('pg_dump', connection, [], undefined);
    expect(args).toContain("--dbname=host='db' dbname='it\\'' application_name='a\\\\b'");
  });

  it('is encrypted as it says: whoever answers, or only the server that an authority knows', () => {
    const tls = (mode: string) => clientConfig(parsePostgresqlAddress(`postgres://db/o?sslmode=${mode}`)).ssl;
    expect(tls('prefer')).toBe(false);
    expect(tls('require')).toEqual({ rejectUnauthorized: false });
    expect(tls('verify-full')).toEqual({});
  });
});

describe('what a PostgreSQL program printed', () => {
  const error = (printed: string) =>
    postgresqlCall('pg_restore', parsePostgresqlAddress('postgres://db/o'), [], undefined).failed(printed);

  it.each([
    ['connection to server at "db" failed: FATAL:  password authentication failed for user "u"', 'unauthorized'],
    ['connection to server at "db" (10.0.0.1), port 5432 failed: Connection refused', 'unreachable'],
    ['pg_dump: error: aborting because of server version mismatch', 'configuration'],
    ['ERROR:  permission denied for schema public', 'forbidden'],
    ['ERROR:  relation "resources" already exists', 'configuration'],
    ['ERROR:  duplicate key value violates unique constraint\nDETAIL:  Key (value)=(DOE^JANE) exists.', 'server-error'],
    ['CONTEXT:  COPY maindicomtags, line 7: "1\t16\t16\tDOE^JANE"', 'server-error'],
    ['', 'server-error'],
  ])('%j is told as %s, without quoting it', (printed, code) => {
    expect(error(printed).code).toBe(code);
    expect(error(printed).message).not.toMatch(/DOE|10\.0\.0\.1|"u"|COPY/);
  });
});
