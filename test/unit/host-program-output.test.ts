import { afterEach, describe, expect, it } from 'vitest';
import { MirrorError } from '../../core/errors.ts';
import { programOutput } from '../../core/orthanc-disk/program-output.ts';

afterEach(() => {
  delete process.env.AWS_SECRET_ACCESS_KEY;
  delete process.env.PGPASSFILE;
});

const call = {
  args: [],
  environment: { MYSQL_PWD: 'given' },
  failed: (printed: string) => new MirrorError('server-error', printed),
  missing: 'install it',
};

describe('a program that is started', () => {
  it('gets the variables that it needs and no secret of ours', async () => {
    process.env.AWS_SECRET_ACCESS_KEY = 'ours';
    process.env.PGPASSFILE = '/root/.pgpass';
    const inherits = (name: string) => name.startsWith('PG');
    const printed = Buffer.concat(await Array.fromAsync(programOutput({ ...call, program: 'env', inherits })));
    const names = printed
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.split('=')[0]);
    expect(new Set(names)).toEqual(new Set(['LC_ALL', 'MYSQL_PWD', 'PATH', 'PGPASSFILE']));
  });

  it('that fails or is missing is an error', async () => {
    const outputOf = (program: string, args: readonly string[]) =>
      Array.fromAsync(programOutput({ ...call, program, args }));
    await expect(outputOf('sh', ['-c', 'echo reason >&2; exit 3'])).rejects.toThrow('reason');
    await expect(outputOf('no-such-program', [])).rejects.toThrow(/no-such-program is not installed: install it/);
  });
});
