/** From `POST /instances` at the source to stored in target and archive, with the Lua hook and without the webhook. */
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openArchive } from '../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../core/stores/archive/folder-objects.ts';
import { type GeneratedInstance, generateInstances } from '../../local/dicom/generate.ts';
import { freePort } from '../../local/free-port.ts';
import { startCommand } from '../support/command.ts';
import { startHookedOrthanc, testSecret } from '../support/hooks/hooked-orthanc.ts';
import { folderForTest, serverForTest } from './support/scene.ts';

const eventually = { timeout: 60_000, interval: 20 };
/**
 * A source with the hook, a target, an archive, and `serve` between them, ready to copy.
 * @param follow how often the feed is looked at; absent: as for a source that is given by its URL
 */
async function serving(webhook: 'up' | 'down', follow?: { readonly everyMinutes: number }) {
  const folder = await folderForTest();
  const port = await freePort();
  const hookPort = webhook === 'up' ? port : await freePort();
  const hooked = await startHookedOrthanc({
    hook: 'lua',
    version: '1.10.1',
    config: { HttpTimeout: 1 },
    webhookUrl: `http://127.0.0.1:${hookPort}/announce`,
  });
  onTestFinished(() => hooked[Symbol.asyncDispose]());
  const target = await serverForTest();
  const secretFile = join(folder, 'secret');
  await writeFile(secretFile, `${testSecret}\n`);
  const place = join(folder, 'archive');
  const listen = ['--listen', `127.0.0.1:${port}`, '--secret-file', secretFile];
  const config = join(folder, 'mirror.config.json');
  const main = {
    source: { url: hooked.server.url },
    targets: { standby: { url: target.url } },
    archive: { folder: place },
  };
  await writeFile(config, JSON.stringify({ mirrors: { main: { ...main, follow } } }));
  const given = [hooked.server.url, target.url, '--archive', place];
  const command = startCommand(['serve', ...(follow === undefined ? given : ['main', '--config', config]), ...listen]);
  onTestFinished(async () => {
    command.process.kill('SIGTERM');
    expect(await command.result).toMatchObject({ exitCode: 130 });
  });
  // The archive is made when the watch begins.
  await vi.waitFor(() => access(join(place, 'archive.json')), eventually);
  return { source: hooked.server, target, place };
}

/** Posts an instance, and waits until target and archive hold it. @returns the milliseconds that it took */
async function arrival(
  { bytes, id }: GeneratedInstance,
  { source, target, place }: Awaited<ReturnType<typeof serving>>,
): Promise<number> {
  const startMs = performance.now();
  const answer = await fetch(new URL('/instances', source.url), { method: 'POST', body: bytes });
  expect(answer.status).toBe(200);
  await vi.waitUntil(async () => (await fetch(new URL(`/instances/${id}`, target.url))).ok, eventually);
  const objects = new FolderObjects(place);
  const archive = await openArchive(objects);
  await vi.waitUntil(async () => (await archive.lookup(id)).length > 0, eventually);
  await archive.close();
  return performance.now() - startMs;
}

test('with the hook an instance comes to target and archive without a look at the feed', async () => {
  // Without the hook nothing would come for an hour.
  const scene = await serving('up', { everyMinutes: 60 });
  const latencies: number[] = [];
  for (const instance of generateInstances('serve', 20, 64 * 1024)) latencies.push(await arrival(instance, scene));
  console.log(`${latencies.length} instances, the slowest within ${Math.max(...latencies).toFixed(0)} ms`);
}, 240_000);

test('with the webhook out of reach it comes by the feed', async () => {
  const scene = await serving('down');
  for (const instance of generateInstances('serve down', 3, 64 * 1024)) await arrival(instance, scene);
}, 240_000);
