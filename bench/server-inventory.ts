/**
 * Compares real Orthanc servers, whose index was filled with many rows, with an archive that is equal, twice, and tells what
 * it cost the server: `node bench/server-inventory.ts [instances [version …]]`. Processor time hardly depends on the load of
 * the machine. The archive is a list in memory; what is remembered lies in a folder.
 */
import { subscribe } from 'node:diagnostics_channel';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryBeside } from '../core/mirror/inventory-memory.ts';
import { planCopies } from '../core/mirror/plan.ts';
import { FolderObjects } from '../core/stores/archive/folder-objects.ts';
import { openOrthancStore } from '../core/stores/orthanc/orthanc-store.ts';
import type { DestinationStore, InventoryEntry, KnownEntry } from '../core/stores/store.ts';
import { filledInstance, fillIndex } from '../local/filled-index.ts';
import { type OrthancServer, startOrthanc } from '../local/orthanc-server.ts';

const [count = '1000000', ...versions] = process.argv.slice(2);
const instances = Number(count);
const mostVersions = ['1.10.1', '1.12.7', '1.13.0'];

let requests = 0;
subscribe('undici:request:create', () => {
  requests += 1;
});

await using scratch = await scratchFolder();
const filled = await makeFilledStorage(scratch.path);
const archived = Array.from({ length: instances }, (_, n) => filledInstance(n)).sort((a, b) => (a.id < b.id ? -1 : 1));

console.log(`${instances} instances`);
console.log(
  '| version | comparison | seconds | requests | CPU s of the server | MB more of its memory | most of ours, MB |',
);
console.log('| --- | --- | --- | --- | --- | --- | --- |');
for (const version of versions.length > 0 ? versions : mostVersions) await measure(version);

async function measure(version: string): Promise<void> {
  const folder = join(scratch.path, version);
  await cp(filled, join(folder, 'storage'), { recursive: true });
  await using server = await startOrthanc({ version, folder });
  const objects = new FolderObjects(join(folder, 'archive'));
  await objects.prepare();
  for (const which of ['first', 'second', 'next day']) {
    const now = () => new Date(Date.parse('2026-11-21') + (which === 'next day' ? 1 : 0) * 86_400_000);
    const store = openOrthancStore({ url: server.url });
    store.remember(memoryBeside(objects, 'source', { days: 30, now }));
    const [cpuMs, bytes, before] = [await server.cpuMs(), await server.residentBytes(), requests];
    await using peak = watchMemory(server);
    const startedAtMs = performance.now();
    let equal = 0;
    for await (const { decided } of planCopies(store, [{ role: 'archive', store: equalArchive() }])) {
      if (decided.length === 1) equal += 1;
    }
    if (equal !== instances) throw new Error(`${equal} of ${instances} instances were found equal`);
    const seconds = (performance.now() - startedAtMs) / 1000;
    const cpuSeconds = ((await server.cpuMs()) - cpuMs) / 1000;
    const moreMb = (peak.bytes() - bytes) / 1e6;
    const oursMb = process.memoryUsage().rss / 1e6;
    const figures = [
      seconds.toFixed(0),
      requests - before,
      cpuSeconds.toFixed(1),
      moreMb.toFixed(0),
      oursMb.toFixed(0),
    ];
    console.log(`| ${[version, which, ...figures].join(' | ')} |`);
    await store.close();
  }
  await objects.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
}

/** An archive that lists the same, and is asked for nothing else. */
function equalArchive(): DestinationStore {
  const unused = () => Promise.reject(new Error('the archive is only listed'));
  return {
    name: 'archive',
    inventory: listArchived,
    known: listArchived,
    lookup: unused,
    open: unused,
    store: unused,
    close: async () => undefined,
  };
}

async function* listArchived(): AsyncGenerator<InventoryEntry & KnownEntry> {
  for (const entry of archived) yield { ...entry, standing: 'held', versions: [entry.md5], isForeign: false };
}

/** Looks at the memory of a server twice a second. */
function watchMemory(server: OrthancServer): AsyncDisposable & { readonly bytes: () => number } {
  let most = 0;
  const look = async () => {
    most = Math.max(most, await server.residentBytes().catch(() => 0));
  };
  const timer = setInterval(() => void look(), 500);
  return { bytes: () => most, [Symbol.asyncDispose]: async () => clearInterval(timer) };
}

/** The storage folder of a server whose index was filled; made by the oldest version, and used by all. */
async function makeFilledStorage(folder: string): Promise<string> {
  await mkdir(join(folder, 'filled'));
  const server = await startOrthanc({ version: '1.10.1', folder: join(folder, 'filled') });
  await server.stop();
  const startedAtMs = performance.now();
  fillIndex(join(server.storageFolder, 'index'), instances);
  console.error(`filled the index in ${((performance.now() - startedAtMs) / 1000).toFixed(0)} s`);
  return server.storageFolder;
}

async function scratchFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'server-inventory-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
