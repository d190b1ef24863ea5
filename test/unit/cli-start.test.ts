/** A command starts with what it needs: the clients of S3 and of servers are half of the time that a start takes. */
import { describe, expect, test } from 'vitest';
import { loadedWith } from '../support/imports.ts';

const clientOfServers = 'undici';
const clientsOfCloud = /^@aws-sdk\//;

function clientsOf(file: string): readonly string[] {
  return [...loadedWith(file)].filter((each) => each === clientOfServers || clientsOfCloud.test(each)).toSorted();
}

describe('what is loaded before it is known what is to be done', () => {
  test('has no client of servers or of S3, and no archive', () => {
    expect(clientsOf('cli/main.ts')).toEqual([]);
    expect([...loadedWith('cli/main.ts')]).not.toContain('core/stores/archive/archive.ts');
    // The paths are understood: what runs a command is among them.
    expect([...loadedWith('cli/main.ts')]).toContain('cli/program.ts');
  });
});

test.each(['find', 'snapshots', 'diff', 'export', 'open'])('%s, which reads an archive, loads no client', (command) => {
  const file = `cli/${command}/${command}.ts`;
  expect([...loadedWith(file)]).toContain('core/stores/archive/folder-objects.ts');
  expect(clientsOf(file)).toEqual([]);
});

test.each(['run', 'check', 'verify', 'restore'])(
  '%s loads the client of servers, and that of S3 for a bucket only',
  (command) => {
    expect(clientsOf(`cli/${command}/${command}.ts`)).toEqual([clientOfServers]);
  },
);
