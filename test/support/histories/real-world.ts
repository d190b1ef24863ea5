/** A world of histories on a real server, with an archive in a folder or in S3. Only the clock of the records is set. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { ArchiveView } from '../../../core/archive-life/restore/archive-view.ts';
import { restoreSidecars } from '../../../core/archive-life/restore/restore-sidecars.ts';
import { RestoredFolder } from '../../../core/archive-life/restore/restored-folder.ts';
import { sidecarsInFolder } from '../../../core/archive-life/restore/sidecar-targets.ts';
import { type Md5, md5Of } from '../../../core/identifiers.ts';
import { folderSource } from '../../../core/import/folder-source.ts';
import { importFiles } from '../../../core/import/import-files.ts';
import { removalPartsOf, sidecarSyncOf } from '../../../core/mirror/parts.ts';
import { runMirror } from '../../../core/mirror/run-mirror.ts';
import { Limitations } from '../../../core/sidecars/limitations.ts';
import type { SidecarFinding } from '../../../core/sidecars/sidecar-state.ts';
import { type Archive, openArchive } from '../../../core/stores/archive/archive.ts';
import { FolderObjects } from '../../../core/stores/archive/folder-objects.ts';
import type { ArchiveWriter } from '../../../core/stores/archive/history-record.ts';
import type { ObjectStorage } from '../../../core/stores/archive/object-storage.ts';
import { generateInstance } from '../../../local/dicom/generate.ts';
import { json, put, remove, text } from '../orthanc/rest.ts';
import type { ServerUnderTest } from '../orthanc/study-fixture.ts';
import { upload } from '../orthanc/upload.ts';
import type { SeededRandom } from '../seeded-random.ts';
import type { Times, Told } from './history-model.ts';
import type { World } from './play-history.ts';
import { sorted } from './simulated-world.ts';

const metadataNumber = 1030;
const sidecarSchema = z.object({ metadata: z.record(z.string(), z.string()).default({}) });

export interface RealWorldOptions {
  /** Overwrites what it is sent again; emptied when the world begins. */
  readonly server: ServerUnderTest;
  /** Makes the files of one history differ from those of another. */
  readonly seed: number;
  /** Opens another, empty place in S3; absent: archives lie in folders. */
  readonly placeInS3?: (() => ObjectStorage) | undefined;
}

export class RealWorld implements World {
  readonly #options: RealWorldOptions;
  readonly #folder: string;
  readonly #opened: ObjectStorage[] = [];
  #objects: ObjectStorage;
  /** Where the archive lies, if that is a folder. */
  #path: string | undefined;
  #clockMs = 0;
  #folders = 0;
  /** Number and version of an instance by its hash. */
  readonly #known = new Map<Md5, readonly [number, number]>();

  private constructor(options: RealWorldOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
    this.#objects = this.#newPlace();
  }

  static async begin(options: RealWorldOptions): Promise<RealWorld> {
    const { url } = options.server;
    for (const id of z.array(z.string()).parse(await json(url, '/patients'))) await remove(url, `/patients/${id}`);
    return new RealWorld(options, await mkdtemp(join(tmpdir(), 'orthanc-mirror-history-')));
  }

  async end(): Promise<void> {
    for (const objects of this.#opened) await objects.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async put(n: number, version: number): Promise<void> {
    await upload(this.#options.server.url, [this.#instance(n, version)]);
  }

  async remove(n: number): Promise<void> {
    const { url } = this.#options.server;
    const path = `/instances/${this.#instance(n, 0).id}`;
    if ((await text(url, path)) !== undefined) await remove(url, path);
  }

  async label(label: string): Promise<void> {
    const { url } = this.#options.server;
    const [study] = z.array(z.string()).parse(await json(url, '/studies'));
    // Labels are newer than the oldest server; what is edited is the same kind of thing.
    await put(url, `/studies/${study}/metadata/${metadataNumber}`, label);
  }

  async clearFeed(): Promise<void> {
    await remove(this.#options.server.url, '/changes');
  }

  async importFile(n: number, version: number): Promise<void> {
    const { id, bytes } = this.#instance(n, version);
    const folder = await this.#newFolder();
    await writeFile(join(folder, `${id}.dcm`), bytes);
    const archive = await this.#open('import');
    const { counts } = await importFiles({
      source: folderSource(Buffer.from(folder)),
      destinations: [{ role: 'archive', store: archive }],
      concurrency: 1,
      onLine: () => undefined,
    });
    if (counts.stored + counts['already-there'] !== 1) throw new Error('the import failed');
  }

  async observe(): Promise<void> {
    const { store: source } = this.#options.server;
    const archive = await this.#open('run');
    const destinations = [{ role: 'archive', store: archive } as const];
    for (let comparison = 1; comparison <= 2; comparison += 1) {
      const { summary, stoppedBy } = await runMirror({
        source,
        feed: source,
        destinations,
        concurrency: 4,
        sidecars: sidecarSyncOf({ source, destinations }, new Limitations()),
        ...removalPartsOf(
          { source, destinations },
          { propagate: false, limits: { maxCount: 100, maxPercent: 100, graceMs: 0 }, now: () => this.#now() },
        ),
      });
      const { failed, rejected } = summary.instances;
      if (stoppedBy !== undefined || failed + rejected > 0)
        throw new Error('the mirror run failed', { cause: stoppedBy });
    }
  }

  pass(): void {}

  setClock(byMs: number): void {
    this.#clockMs += byMs;
  }

  now(): Times {
    return { machineMs: this.#now().getTime(), placeMs: Date.now() };
  }

  /** In S3 nobody can give an object another time than that of its writing: copying is all that can happen to it. */
  async restamp(how: 'copy' | 'scramble', random: SeededRandom): Promise<void> {
    const [from, path] = [this.#objects, this.#path];
    if (path !== undefined && how === 'scramble') {
      const yearMs = 365 * 24 * 3_600_000;
      for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
        const at = new Date(Date.now() + random.between(-yearMs, yearMs));
        if (entry.isFile()) await utimes(join(entry.parentPath, entry.name), at, at);
      }
      return;
    }
    this.#objects = this.#newPlace();
    if (path !== undefined && this.#path !== undefined) {
      await cp(path, this.#path, { recursive: true });
      return;
    }
    for await (const { key, sizeBytes } of from.list('')) {
      const object = await from.get(key);
      if (object !== undefined) await this.#objects.putOnce(key, object.body, { sizeBytes });
    }
  }

  async restored(at?: Date): Promise<Told> {
    const archive = await this.#open('repair');
    const to = await this.#newFolder();
    const files = new FolderObjects(to);
    try {
      const folder = await RestoredFolder.open(files);
      const { summary } = await runMirror({
        source: new ArchiveView(archive, { at }),
        destinations: [{ role: 'target', store: folder }],
        concurrency: 4,
      });
      if (summary.instances.failed + summary.instances.rejected > 0) throw new Error('the restore failed');
      const sidecars = sidecarsInFolder(files, archive.objects, folder);
      const onFinding = ({ error }: SidecarFinding) => {
        throw error;
      };
      const restored = restoreSidecars(archive.objects, sidecars, { at, onFinding });
      for await (const { error } of restored) if (error) throw error;
      return await this.#toldBy(to);
    } finally {
      await files.close();
    }
  }

  /** Looks at the restored files themselves, by another way than the product's. */
  async #toldBy(folder: string): Promise<Told> {
    const instances = new Map<number, number>();
    let label: string | undefined;
    for (const name of await readdir(folder, { recursive: true })) {
      if (name.endsWith('study.json')) {
        const { metadata } = sidecarSchema.parse(JSON.parse(await readFile(join(folder, name), 'utf8')));
        label = metadata[metadataNumber];
      }
      if (!name.endsWith('.dcm')) continue;
      const known = this.#known.get(md5Of(await readFile(join(folder, name))));
      if (known === undefined) throw new Error(`${name} has bytes that were never there`);
      instances.set(...known);
    }
    return { instances: sorted(instances), label };
  }

  #now(): Date {
    return new Date(Date.now() + this.#clockMs);
  }

  #instance(n: number, version: number) {
    const place = { seed: `history ${this.#options.seed}`, patient: 0, study: 0, series: 0, instance: n };
    const instance = generateInstance(place, 2048 + 2 * version);
    this.#known.set(instance.md5, [n, version]);
    return instance;
  }

  #newPlace(): ObjectStorage {
    const { placeInS3 } = this.#options;
    this.#folders += 1;
    this.#path = placeInS3 === undefined ? join(this.#folder, `archive ${this.#folders}`) : undefined;
    const objects = placeInS3?.() ?? new FolderObjects(this.#path ?? '');
    this.#opened.push(objects);
    return objects;
  }

  async #newFolder(): Promise<string> {
    this.#folders += 1;
    const path = join(this.#folder, String(this.#folders));
    await mkdir(path);
    return path;
  }

  #open(writer: ArchiveWriter): Promise<Archive> {
    return openArchive(this.#objects, { createFor: { name: 'source' }, writer, now: () => this.#now() });
  }
}
