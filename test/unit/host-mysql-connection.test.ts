import { describe, expect, it } from 'vitest';
import {
  mysqlConnectionName,
  mysqlError,
  mysqlProgramConnection,
  parseMysqlUrl,
} from '../../core/orthanc-disk/index/mysql-connection.ts';

const connection = parseMysqlUrl('mysql://or%40thanc:se%20cret%2F@db.example:3307/orthanc');

describe('a MySQL connection', () => {
  it('is read from a URL with encoded parts', () => {
    expect(connection).toEqual({
      host: 'db.example',
      port: 3307,
      user: 'or@thanc',
      password: 'se cret/',
      database: 'orthanc',
      socketPath: undefined,
      tls: undefined,
    });
    expect(() => parseMysqlUrl('mysql://db.example')).toThrow(/mysql:\/\/user@host:port\/database/);
  });

  it('never has its password among the arguments or in its name', () => {
    const { args, environment } = mysqlProgramConnection(connection);
    expect(args.join(' ')).not.toContain('cret');
    expect(mysqlConnectionName(connection)).toBe('mysql://db.example:3307/orthanc');
    expect(environment).toEqual({ MYSQL_PWD: 'se cret/' });
  });

  it('leaves settings in files aside, first of all', () => {
    expect(mysqlProgramConnection(connection).args.slice(0, 3)).toEqual([
      '--no-defaults',
      '--host=db.example',
      '--port=3307',
    ]);
  });

  it('goes through the socket for localhost only, as the plugin does', () => {
    const socketPath = '/run/db.sock';
    expect(mysqlProgramConnection({ ...connection, host: 'localhost', socketPath }).args).toContain(
      '--socket=/run/db.sock',
    );
    expect(mysqlProgramConnection({ ...connection, socketPath }).args).not.toContain('--socket=/run/db.sock');
  });

  it.each([
    ["ERROR 1045 (28000): Access denied for user 'x'@'y'", 'unauthorized'],
    ["ERROR 1049 (42000): Unknown database 'gone'", 'configuration'],
    ["mysqldump: Got error: 2002: Can't connect to server", 'unreachable'],
    ['mariadb-dump: Got error: 1205: "Lock wait timeout exceeded"', 'busy'],
    ['anything else', 'server-error'],
  ])('tells from %j what kind of error it is, and nothing of its text', (printed, code) => {
    const error = mysqlError(printed, 'mysql://db/orthanc');
    expect(error.code).toBe(code);
    expect(error.message).not.toMatch(/denied|Unknown|anything/);
  });
});
