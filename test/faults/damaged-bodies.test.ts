import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { generateInstance } from '../../local/dicom/generate.ts';
import { placeOfNth } from '../../local/dicom/identifiers.ts';
import { type OrthancServer, startOrthanc } from '../../local/orthanc-server.ts';
import { folderPlace, orthancPlace, prove } from '../../local/prove.ts';
import { folderForTest, instanceIds, storeAll } from '../e2e/support/scene.ts';
import { runCommand } from '../support/command.ts';
import { type Fault, type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { remove } from '../support/orthanc/upload.ts';

/** One that is held whole before anything is sent, and one that passes through in parts. */
const sizes = { '10 KiB': 10 * 1024, '12 MiB': 12 * 1024 * 1024 };

let source: OrthancServer;
let target: OrthancServer;
beforeAll(async () => {
  [source, target] = await Promise.all([startOrthanc(), startOrthanc()]);
});
afterAll(async () => {
  await Promise.all([source?.stop(), target?.stop()]);
});
afterEach(async () => {
  for (const { url } of [source, target]) await remove(url, await instanceIds({ url }));
});

async function proxyForTest(server: OrthancServer): Promise<FaultProxy> {
  const proxy = await startFaultProxy(server.url);
  onTestFinished(() => proxy.close());
  return proxy;
}

function download({ method, path }: { method: string; path: string }): boolean {
  return method === 'GET' && path.endsWith('/data');
}

function upload({ method, path }: { method: string; path: string }): boolean {
  return method === 'POST' && path.endsWith('/instances');
}

describe.each(Object.entries(sizes))('an instance of %s', (_, sizeBytes) => {
  const middle = Math.floor(sizeBytes / 2);
  const faults: readonly (readonly [string, 'source' | 'target', Fault])[] = [
    [
      'a bit flipped on the way from the source',
      'source',
      { effect: { kind: 'corrupt', body: 'answer', atByte: middle }, matches: download },
    ],
    [
      'the last byte flipped',
      'source',
      { effect: { kind: 'corrupt', body: 'answer', atByte: sizeBytes - 1 }, matches: download },
    ],
    [
      'an answer cut by a reset',
      'source',
      { effect: { kind: 'cut', body: 'answer', atByte: middle, how: 'reset' }, matches: download },
    ],
    [
      'an answer that ends early in good order',
      'source',
      { effect: { kind: 'cut', body: 'answer', atByte: middle, how: 'close' }, matches: download },
    ],
    [
      'a shorter answer that says so itself',
      'source',
      { effect: { kind: 'cut', body: 'answer', atByte: middle, how: 'shorter' }, matches: download },
    ],
    [
      'a bit flipped on the way to the target',
      'target',
      { effect: { kind: 'corrupt', body: 'request', atByte: middle }, matches: upload },
    ],
    [
      'an upload cut by a reset',
      'target',
      { effect: { kind: 'cut', body: 'request', atByte: middle, how: 'reset' }, matches: upload },
    ],
  ];

  test.each(faults)(
    'with %s becomes nothing anywhere, and is copied once the fault ends',
    async (_name, where, fault) => {
      const archive = join(await folderForTest(), 'archive');
      const instance = generateInstance(placeOfNth('damaged', sizeBytes), sizeBytes);
      await storeAll(source, [instance]);
      const proxy = await proxyForTest(where === 'source' ? source : target);
      proxy.break(fault);
      const urls = where === 'source' ? [proxy.url, target.url] : [source.url, proxy.url];
      const broken = await runCommand(['run', ...urls, '--archive', archive]);
      expect([3, 5, 7], broken.stdout + broken.stderr).toContain(broken.exitCode);
      expect(broken.stdout).toContain(instance.id);
      expect(await instanceIds(target)).toEqual([]);
      // The archive is fed by the same read: it gets the bytes only if they came whole from the source.
      const held = (await prove([folderPlace('archive', archive)]).catch(() => undefined))?.places[0];
      expect(held?.instances ?? 0).toBe(where === 'source' ? 0 : 1);
      expect(held?.misnamed ?? 0).toBe(0);
      proxy.repair();
      const repaired = await runCommand(['run', ...urls, '--archive', archive]);
      expect(repaired).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('copied 1,') });
      const places = [
        orthancPlace('source', source.url),
        orthancPlace('target', target.url),
        folderPlace('archive', archive),
      ];
      expect(await prove(places)).toMatchObject({ equal: true });
    },
  );
});
