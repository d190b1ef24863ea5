/** What an archive must say of a source, by a log of what happened: so simple that it is plainly right. Pure. */

/** Version of each instance by its number; both are numbers of the test. */
export type Held = ReadonlyMap<number, number>;

/** What an archive says at a moment: the instances, and the label of their study. */
export interface Told {
  readonly instances: Held;
  readonly label: string | undefined;
}

/** Times by the clock of the machine that mirrors, and by that of the place that the archive lies in. */
export interface Times {
  readonly machineMs: number;
  readonly placeMs: number;
}

/** When something happened: from the time before to the time after. */
export interface Period {
  readonly begun: Times;
  readonly ended: Times;
}

interface LogEntry extends Period {
  /** `undefined` after a run that was cut: a part of it may be there. */
  readonly told: Told | undefined;
}

export class HistoryModel {
  /** What the source holds. */
  readonly source = new Map<number, number>();
  label: string | undefined;
  #observed: Told = { instances: new Map(), label: undefined };
  /** What came another way, for ids that the source never supplied. */
  readonly #foreign = new Map<number, number>();
  readonly #supplied = new Set<number>();
  readonly #log: LogEntry[] = [];

  /** What a restore must give now. */
  present(): Told {
    return { ...this.#observed, instances: new Map([...this.#observed.instances, ...this.#foreign]) };
  }

  /** The archive saw all of the source. */
  observe(period: Period): void {
    this.#observed = { instances: new Map(this.source), label: this.label };
    for (const n of this.source.keys()) this.#supply(n);
    this.#log.push({ ...period, told: this.present() });
  }

  /** A run was cut somewhere: what the archive has of it by now, nobody but itself can say. */
  cut(period: Period, supplied: Iterable<number>): void {
    for (const n of supplied) this.#supply(n);
    this.#log.push({ ...period, told: undefined });
  }

  import(n: number, version: number, period: Period): void {
    if (!this.#supplied.has(n) && !this.#foreign.has(n)) this.#foreign.set(n, version);
    const isCertain = this.#log.at(-1)?.told !== undefined || this.#log.length === 0;
    this.#log.push({ ...period, told: isCertain ? this.present() : undefined });
  }

  #supply(n: number): void {
    this.#supplied.add(n);
    this.#foreign.delete(n);
  }

  /**
   * Moments of which the log is sure: those at which all clocks agree about what had happened.
   * @param pick chooses a number from 0 up to 1
   */
  moments(count: number, pick: () => number): readonly { readonly at: Date; readonly told: Told }[] {
    const times = this.#log.flatMap(({ ended: { machineMs, placeMs } }) => [machineMs, placeMs]);
    const [first, last] = [Math.min(...times) - 10_000, Math.max(...times) + 10_000];
    const found: { readonly at: Date; readonly told: Told }[] = [];
    for (let tries = 0; tries < 20 * count && found.length < count; tries += 1) {
      // Between the times of two entries as often as anywhere.
      const near = times[Math.floor(pick() * times.length)] ?? first;
      const afterMs = [10, 1000, 600_000][Math.floor(pick() * 3)] ?? 0;
      const atMs = Math.floor(pick() < 0.5 ? first + pick() * (last - first) : near + 10 + pick() * afterMs);
      const told = this.#toldAt(atMs);
      if (told !== undefined) found.push({ at: new Date(atMs), told });
    }
    return found;
  }

  #toldAt(atMs: number): Told | undefined {
    const before = (timeOf: (entry: LogEntry) => number) => this.#log.filter((entry) => timeOf(entry) <= atMs);
    const byMachine = before(({ begun }) => begun.machineMs);
    // A bucket tells whole seconds, and a sidecar may be a millisecond later than the one before it.
    const byPlace = before(({ begun }) => Math.floor(begun.placeMs / 1000) * 1000);
    const surely = before(({ ended }) => Math.max(ended.machineMs, ended.placeMs) + 10);
    const happened = this.#log.slice(0, surely.length);
    const agree = [byMachine, byPlace, surely].every(
      (entries) => entries.length === happened.length && entries.every((entry, index) => entry === happened[index]),
    );
    if (!agree) return undefined;
    return happened.length === 0 ? { instances: new Map(), label: undefined } : happened.at(-1)?.told;
  }
}
