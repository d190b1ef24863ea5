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
/** `run --watch` and `serve` poll a source that is given by its URL this often. */
const tickMs = 5_000;

/** A source with the hook, a target, an archive, and `serve` between them, ready to copy. */
async function serving(webhook: 'up' | 'down') {
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
  const command = startCommand(['serve', hooked.server.url, target.url, '--archive', place, ...listen]);
  onTestFinished(async () => {
    command.process.kill('SIGTERM');
    expect(await command.result).toMatchObject({ exitCode: 130 });
  });
  // The archive is made when the watch begins.
  await vi.waitFor(() => access(join(place, 'archive.json')), eventually);
  return { source: hooked.server, target, place };
}

/** Posts an instance and @returns the milliseconds until target and archive hold it. */
async function latencyMs(
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

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.POSITIVE_INFINITY;
}

test('with the hook an instance is in target and archive in under 3 s (median of 50)', async () => {
  const scene = await serving('up');
  const latencies: number[] = [];
  for (const instance of generateInstances('serve', 50, 64 * 1024)) latencies.push(await latencyMs(instance, scene));
  console.log(`median ${median(latencies).toFixed(0)} ms, longest ${Math.max(...latencies).toFixed(0)} ms`);
  expect(median(latencies)).toBeLessThan(3000);
}, 240_000);

test('with the webhook out of reach it is there within one tick and 5 s', async () => {
  const scene = await serving('down');
  for (const instance of generateInstances('serve down', 3, 64 * 1024)) {
    expect(await latencyMs(instance, scene)).toBeLessThan(tickMs + 5000);
  }
}, 240_000);
