/** A world of histories in memory: thousands of comparisons a second, and clocks that are set by hand. */

import { missingSchema } from '../../../core/archive-life/deletions/missing.ts';
import { propagateDeletion } from '../../../core/archive-life/deletions/propagate-deletion.ts';
import { ArchiveView } from '../../../core/archive-life/restore/archive-view.ts';
import { MirrorError } from '../../../core/errors.ts';
import type { InstanceId, Md5 } from '../../../core/identifiers.ts';
import { RemovalRecorder } from '../../../core/mirror/record-removals.ts';
import { runMirror } from '../../../core/mirror/run-mirror.ts';
import { archiveSidecar } from '../../../core/sidecars/archive-sidecar.ts';
import { readStudiesAt } from '../../../core/sidecars/list-sidecars.ts';
import type { SidecarFinding } from '../../../core/sidecars/sidecar-state.ts';
import { type Archive, openArchive } from '../../../core/stores/archive/archive.ts';
import type { ArchiveWriter } from '../../../core/stores/archive/history-record.ts';
import type { PutOptions } from '../../../core/stores/archive/object-storage.ts';
import { StateDocument } from '../../../core/stores/archive/state.ts';
import type { InstanceBytes } from '../../../core/stores/store.ts';
import { studySidecar } from '../archived-studies.ts';
import { MemoryObjects, type MemoryObjectsOptions } from '../memory-objects.ts';
import { MemoryStore, sampleId } from '../memory-store.ts';
import type { SeededRandom } from '../seeded-random.ts';
import { SimulatedFeed } from '../simulated-feed.ts';
import { identityOf, md5Of } from './archived.ts';
import type { Times, Told } from './history-model.ts';
import type { World } from './play-history.ts';

/** A place that dies after so many writes. */
class MortalObjects extends MemoryObjects {
  writesLeft = Number.POSITIVE_INFINITY;

  override async putOnce(key: string, bytes: InstanceBytes, options: PutOptions): Promise<'created' | 'exists'> {
    if (this.writesLeft <= 0) throw new MirrorError('full', 'the machine died');
    this.writesLeft -= 1;
    return super.putOnce(key, bytes, options);
  }
}

const bytesOf = (n: number, version: number): Uint8Array => Buffer.from(`instance ${n} version ${version}`);
const named = new Map<InstanceId, number>(Array.from({ length: 100 }, (_, n) => [sampleId(n), n]));

export class SimulatedWorld implements World {
  readonly source = new MemoryStore('source');
  #objects: MortalObjects;
  readonly #feed = new SimulatedFeed();
  readonly #place: MemoryObjectsOptions;
  #label: string | undefined;
  #machineMs = Date.parse('2026-11-21T00:00:00.500Z');
  #placeMs = this.#machineMs;
  /** Versions by their hashes. */
  readonly #versions = new Map<Md5, number>();

  constructor({ resolutionMs }: { readonly resolutionMs: number }) {
    this.#place = { now: () => this.#placeMs, resolutionMs };
    this.#objects = new MortalObjects(this.#place);
  }

  async put(n: number, version: number): Promise<void> {
    const bytes = bytesOf(n, version);
    this.#versions.set(md5Of(bytes), version);
    this.source.instances.set(sampleId(n), bytes);
    const seq = this.#feed.lastEver + 1;
    this.#feed.add({ seq, type: 'NewInstance', level: 'instances', id: sampleId(n), date: '20261121T000000' });
  }

  async remove(n: number): Promise<void> {
    this.source.instances.delete(sampleId(n));
    this.#feed.entries = this.#feed.entries.filter(({ id }) => id !== sampleId(n));
  }

  async label(text: string): Promise<void> {
    this.#label = text;
  }

  async clearFeed(): Promise<void> {
    this.#feed.entries = [];
  }

  async importFile(n: number, version: number): Promise<void> {
    const bytes = bytesOf(n, version);
    this.#versions.set(md5Of(bytes), version);
    await (await this.#open('import')).store(identityOf(sampleId(n), bytes), bytes);
  }

  async observe(): Promise<void> {
    const archive = await this.#open('run');
    for (let comparison = 1; comparison <= 2; comparison += 1) await this.#mirror(archive);
    if (this.#label === undefined) return;
    await archiveSidecar(this.#objects, studySidecar(0, [], { labels: [this.#label] }), {
      attachments: async () => {
        throw new Error('there are no attachments');
      },
      onFinding: mustNotBe,
      now: () => new Date(this.#machineMs),
    });
  }

  async cut(writes: number): Promise<readonly number[]> {
    const archive = await this.#open('run');
    this.#objects.writesLeft = writes;
    await this.#mirror(archive).catch((error: unknown) => {
      if (!(error instanceof MirrorError)) throw error;
    });
    this.#objects.writesLeft = Number.POSITIVE_INFINITY;
    const known = await Array.fromAsync(archive.known());
    return known.flatMap(({ id, isForeign }) => (isForeign ? [] : (named.get(id) ?? [])));
  }

  pass(ms: number): void {
    this.#machineMs += ms;
    this.#placeMs += ms;
  }

  setClock(byMs: number): void {
    this.#machineMs += byMs;
  }

  now(): Times {
    return { machineMs: this.#machineMs, placeMs: this.#placeMs };
  }

  async restamp(how: 'copy' | 'scramble', random: SeededRandom): Promise<void> {
    const yearMs = 365 * 24 * 3_600_000;
    if (how === 'scramble') this.#objects.scramble(() => this.#placeMs + random.between(-yearMs, yearMs));
    else this.#objects = this.#objects.copyTo(new MortalObjects(this.#place));
  }

  async restored(at?: Date): Promise<Told> {
    const view = new ArchiveView(await this.#open('repair'), { at });
    const instances = new Map<number, number>();
    for await (const { id, md5 } of view.inventory()) {
      const n = named.get(id);
      const version = md5 && this.#versions.get(md5);
      if (n === undefined || version === undefined) throw new Error(`${id} was never there with MD5 ${md5}`);
      instances.set(n, version);
    }
    const sidecars = await Array.fromAsync(readStudiesAt(this.#objects, { at, onFinding: mustNotBe }));
    return { instances: sorted(instances), label: sidecars[0]?.document.labels[0] };
  }

  #open(writer: ArchiveWriter): Promise<Archive> {
    return openArchive(this.#objects, {
      createFor: { name: 'source' },
      writer,
      now: () => new Date(this.#machineMs),
    });
  }

  async #mirror(archive: Archive): Promise<void> {
    const destinations = [{ role: 'archive', store: archive } as const];
    await runMirror({
      source: this.source,
      feed: this.#feed,
      destinations,
      concurrency: 4,
      gone: new RemovalRecorder({
        document: new StateDocument(this.#objects, 'missing', missingSchema),
        limits: { maxCount: 100, maxPercent: 100, graceMs: 0 },
        deletesAtTargets: false,
        now: () => new Date(this.#machineMs),
        propagate: (id, options) => propagateDeletion(id, { source: this.source, archive, targets: [] }, options),
      }),
    });
  }
}

function mustNotBe({ error }: SidecarFinding): void {
  throw error;
}

/** In the order of the numbers, so that two can be compared. */
export function sorted(instances: ReadonlyMap<number, number>): ReadonlyMap<number, number> {
  return new Map([...instances].toSorted(([a], [b]) => a - b));
}
