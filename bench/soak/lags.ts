/** How long after the source had acknowledged an instance each place held it, by the phase in which it came. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { GeneratedInstance } from '../../local/dicom/generate.ts';
import { say } from './say.ts';

export interface Awaited {
  readonly id: string;
  readonly md5: string;
  readonly phase: string;
  readonly atMs: number;
}

/** A place that is asked which instances it got. */
export interface ObservedPlace {
  readonly name: string;
  /** @returns the ids of those that are there; throws while the place is away */
  arrived(awaited: readonly Awaited[]): Promise<readonly string[]>;
}

/** What takes longer than this is told. */
const lateMs = 120_000;

export class Lags {
  readonly #places: readonly ObservedPlace[];
  readonly #waiting: Map<string, Map<string, Awaited>>;
  readonly #lags = new Map<string, number[]>();
  phase = 'calm';

  constructor(places: readonly ObservedPlace[]) {
    this.#places = places;
    this.#waiting = new Map(places.map(({ name }) => [name, new Map()]));
  }

  /** An instance was acknowledged by the source. */
  begin({ id, md5 }: GeneratedInstance): void {
    const awaited = { id, md5, phase: this.phase, atMs: performance.now() };
    for (const waiting of this.#waiting.values()) waiting.set(id, awaited);
  }

  /** Looks once for everything that has not arrived. */
  async look(): Promise<void> {
    await Promise.all(
      this.#places.map(async (place) => {
        const waiting = this.#waiting.get(place.name) ?? new Map<string, Awaited>();
        // A place that is away has got nothing for now.
        const ids = await place.arrived([...waiting.values()]).catch(() => []);
        for (const id of ids) this.#note(place.name, waiting, id);
      }),
    );
  }

  #note(place: string, waiting: Map<string, Awaited>, id: string): void {
    const awaited = waiting.get(id);
    if (awaited === undefined) return;
    waiting.delete(id);
    const lagMs = performance.now() - awaited.atMs;
    if (lagMs > lateMs) say(`  ${id} came to the ${place} after ${Math.round(lagMs / 1000)} s (${awaited.phase})`);
    const key = `${awaited.phase}\n${place}`;
    this.#lags.set(key, [...(this.#lags.get(key) ?? []), lagMs]);
  }

  /** Instances that were deleted or overwritten at the source before they arrived, or that are missing. */
  left(place: string): number {
    return this.#waiting.get(place)?.size ?? 0;
  }

  /** A row for each phase: number, median, 99th percentile and maximum in seconds, for each place. */
  table(phases: readonly string[]): string {
    const names = this.#places.map(({ name }) => name);
    const header = ['phase', ...names.flatMap((name) => [`${name} n`, 'median s', 'p99 s', 'max s'])];
    const rows = phases.map((phase) => [phase, ...names.flatMap((name) => this.#row(phase, name))]);
    return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  }

  #row(phase: string, place: string): readonly string[] {
    const lags = (this.#lags.get(`${phase}\n${place}`) ?? []).toSorted((a, b) => a - b);
    const at = (share: number) => lags[Math.min(lags.length - 1, Math.floor(share * lags.length))];
    const seconds = (ms: number | undefined) => (ms === undefined ? '' : (ms / 1000).toFixed(1));
    return [String(lags.length), seconds(at(0.5)), seconds(at(0.99)), seconds(lags.at(-1))];
  }
}

interface ChangePage {
  readonly Changes: readonly { readonly ChangeType: string; readonly ID: string }[];
  readonly Last: number;
}

/** A server, by its own change feed. */
export function serverPlace(name: string, url: string, headers: () => Record<string, string>): ObservedPlace {
  let since = 0;
  return {
    name,
    arrived: async () => {
      const answer = await fetch(`${url}/changes?since=${since}&limit=5000`, {
        headers: headers(),
        signal: AbortSignal.timeout(20_000),
      });
      if (!answer.ok) throw new Error(`${answer.status}`);
      const page = (await answer.json()) as ChangePage;
      since = page.Last;
      return page.Changes.flatMap(({ ChangeType, ID }) => (ChangeType === 'NewInstance' ? [ID] : []));
    },
  };
}

/** The folder of an archive, wherever it lies at the moment. */
export function folderPlace(name: string, folder: () => string): ObservedPlace {
  return {
    name,
    arrived: async (awaited) => {
      const found = await Promise.all(
        awaited.map(({ id, md5 }) =>
          access(join(folder(), 'instances', id, `${md5}.dcm`)).then(
            () => [id],
            () => [],
          ),
        ),
      );
      return found.flat();
    },
  };
}
