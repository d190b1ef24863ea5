/** What every installed program must do: mirror a real server to a folder, and restore that to another one. */
import { join } from 'node:path';
import { expect } from 'vitest';
import { generateInstances } from '../../../local/dicom/generate.ts';
import { orthancPlace, prove } from '../../../local/prove.ts';
import { serverForTest, storeAll } from '../../e2e/support/scene.ts';
import type { Ended } from './run-program.ts';

const count = 5;

/**
 * @param place a folder, as the program sees it, in which it may write
 * @param orthancMirror runs the program with arguments
 */
export async function expectRoundTrip(
  place: string,
  orthancMirror: (...args: readonly string[]) => Promise<Ended>,
): Promise<void> {
  const [source, target] = await Promise.all([filledServer(), serverForTest()]);
  const archive = join(place, 'archive');
  expect(await orthancMirror('run', source.url, '--archive', archive)).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining(`copied ${count}`),
  });
  expect(await orthancMirror('restore', '--archive', archive, '--to', target.url, '--verify')).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining(`restored ${count}`),
  });
  expect(await prove([orthancPlace('source', source.url), orthancPlace('target', target.url)])).toMatchObject({
    equal: true,
  });
}

/** A server with a few instances that ends with the test. */
export async function filledServer() {
  const server = await serverForTest();
  await storeAll(server, generateInstances('packaging', count, 4096));
  return server;
}
