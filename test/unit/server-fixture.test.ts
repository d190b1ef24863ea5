/** What tests start leaves nothing behind when it does not start. */
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { expect, test } from 'vitest';
import { startServer } from '../support/orthanc/study-fixture.ts';

test('a server that cannot be started leaves no folder', async () => {
  await expect(startServer('0.0.0')).rejects.toThrow('0.0.0');
  expect((await readdir(tmpdir())).filter((name) => name.startsWith('studies-orthanc-'))).toEqual([]);
});
