/** Plays a random history against a world, and holds what it says against the log. */
import { expect } from 'vitest';
import type { SeededRandom } from '../seeded-random.ts';
import { HistoryModel, type Period, type Times, type Told } from './history-model.ts';

/** A source, an archive of it, and the clocks, simulated or real. */
export interface World {
  /** The source gets a version of an instance, whatever it had. */
  put(n: number, version: number): Promise<void>;
  remove(n: number): Promise<void>;
  /** Edits the label of the study. */
  label(text: string): Promise<void>;
  clearFeed(): Promise<void>;
  importFile(n: number, version: number): Promise<void>;
  /** Mirrors until the archive has seen everything: two comparisons, so that removals count. */
  observe(): Promise<void>;
  /**
   * A mirror run that dies after so many writes to the archive. @returns what the archive takes for supplied by the source
   * now. Absent: cannot be played.
   */
  cut?(writes: number): Promise<readonly number[]>;
  /** Time passes, or the clock of the mirroring machine is set. */
  pass(ms: number): void;
  setClock(byMs: number): void;
  now(): Times;
  /** Copies the archive as `cp -r` would, or gives all its objects other times; the world goes on with that. */
  restamp(how: 'copy' | 'scramble', random: SeededRandom): Promise<void>;
  /** What a restore gives, now or at a moment. */
  restored(at?: Date): Promise<Told>;
}

export interface PlayOptions {
  readonly steps: number;
  readonly moments: number;
}

const dayMs = 24 * 3_600_000;
const [instances, versions] = [5, 3];
/** Never removed: a source that lists nothing at all is not believed. */
const permanent = instances;

/**
 * Throws with the seed and the steps if the archive says anything else than the log.
 * @returns how many moments of the past were looked at
 */
export async function playHistory(world: World, random: SeededRandom, options: PlayOptions): Promise<number> {
  const history = new PlayedHistory(world, random);
  try {
    return await history.play(options);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new Error(`TEST_SEED=${random.seed}\n  ${history.steps.join('\n  ')}\n${said}`, { cause: error });
  }
}

class PlayedHistory {
  readonly steps: string[] = [];
  readonly #world: World;
  readonly #random: SeededRandom;
  readonly #model = new HistoryModel();
  #restamped = false;

  constructor(world: World, random: SeededRandom) {
    this.#world = world;
    this.#random = random;
  }

  async play({ steps, moments }: PlayOptions): Promise<number> {
    await this.#put(permanent, 0);
    await this.#observe();
    for (let step = 0; step < steps; step += 1) {
      this.#pass();
      await this.#step();
    }
    this.#pass();
    await this.#observe();
    if (this.#restamped) return 0;
    const known = this.#model.moments(moments, () => this.#random.next());
    for (const { at, told } of known) {
      expect(await this.#world.restored(at), `at ${at.toISOString()}`).toEqual(told);
    }
    await this.#restamp('copy');
    return known.length;
  }

  async #step(): Promise<void> {
    const n = this.#random.between(0, instances - 1);
    const version = this.#random.between(0, versions - 1);
    switch (this.#random.pick(stepKinds)) {
      case 'put':
        return this.#put(n, version);
      case 'resend': {
        const held = this.#model.source.get(n);
        return held === undefined ? undefined : this.#put(n, held);
      }
      case 'remove':
        this.steps.push(`remove ${n}`);
        await this.#world.remove(n);
        this.#model.source.delete(n);
        return;
      case 'label':
        this.steps.push(`label ${version}`);
        await this.#world.label(`label ${version}`);
        this.#model.label = `label ${version}`;
        return;
      case 'clear-feed':
        this.steps.push('clear the feed');
        return this.#world.clearFeed();
      case 'import':
        this.steps.push(`import ${n} version ${version}`);
        this.#model.import(n, version, await this.#during(() => this.#world.importFile(n, version)));
        return;
      case 'observe':
        return this.#observe();
      case 'cut':
        return this.#cut();
      case 'clock':
        return this.#setClock();
      case 'restamp':
        return this.#random.chance(0.2) ? this.#restamp(this.#random.pick(['copy', 'scramble'])) : undefined;
    }
  }

  async #put(n: number, version: number): Promise<void> {
    this.steps.push(`put ${n} version ${version}`);
    await this.#world.put(n, version);
    this.#model.source.set(n, version);
  }

  async #observe(): Promise<void> {
    this.steps.push(`observe at ${JSON.stringify(this.#world.now())}`);
    this.#model.observe(await this.#during(() => this.#world.observe()));
    expect(await this.#world.restored()).toEqual(this.#model.present());
  }

  async #cut(): Promise<void> {
    if (this.#world.cut === undefined) return;
    const writes = this.#random.between(0, 4);
    this.steps.push(`a run that dies after ${writes} writes`);
    let supplied: readonly number[] = [];
    const period = await this.#during(async () => {
      supplied = (await this.#world.cut?.(writes)) ?? [];
    });
    this.#model.cut(period, supplied);
  }

  async #during(work: () => Promise<unknown>): Promise<Period> {
    const begun = this.#world.now();
    await work();
    return { begun, ended: this.#world.now() };
  }

  #setClock(): void {
    const byMs = this.#random.pick([-dayMs, dayMs]);
    this.steps.push(`the clock is set by ${byMs / dayMs} days`);
    this.#world.setClock(byMs);
  }

  async #restamp(how: 'copy' | 'scramble'): Promise<void> {
    this.steps.push(`${how} the archive`);
    const before = await this.#world.restored();
    await this.#world.restamp(how, this.#random);
    this.#restamped = true;
    expect(await this.#world.restored()).toEqual(before);
  }

  /** From within the same second to some hours. */
  #pass(): void {
    const [least, most] = this.#random.pick([
      [1, 900],
      [1_000, 5_000],
      [60_000, 7_200_000],
    ]);
    this.#world.pass(this.#random.between(least ?? 1, most ?? 1));
  }
}

/** Weighted: content that changes back, and what comes and goes, is what went wrong most. */
const stepKinds = [
  ...Array<'put'>(6).fill('put'),
  'resend',
  ...Array<'remove'>(3).fill('remove'),
  'label',
  'clear-feed',
  ...Array<'import'>(2).fill('import'),
  ...Array<'observe'>(6).fill('observe'),
  'cut',
  'clock',
  'restamp',
] as const;
