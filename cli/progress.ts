/**
 * The progress of a running command: one status line that moves at least once a second on a terminal, one line every few
 * seconds where stderr is a file or a pipe, also while nothing happens: then it says who is waited for.
 */
import { onActivity } from '../core/stores/activity.ts';
import { formatBytes, formatCount, formatDuration } from './format.ts';
import type { Terminal } from './terminal.ts';
import { Waiting } from './waiting.ts';

/** How far a phase is. Totals are `undefined` until they are known. */
export interface Progress {
  /** Of what `unit` says. */
  readonly instances: number;
  /** Absent where nothing is counted in bytes. */
  readonly bytes?: number | undefined;
  /** How much of the inventories is compared, from 0 to 1; `undefined` once everything is. */
  readonly comparedFraction?: number | undefined;
  readonly totalInstances?: number | undefined;
  readonly totalBytes?: number | undefined;
  /** What is counted; default: instances. */
  readonly unit?: string | undefined;
}

/** Instances and bytes per second of the last seconds. */
export interface Rate {
  readonly instances: number;
  readonly bytes: number;
}

const statusEveryMs = 500;
const lineEveryMs = 5000;
const rateOverMs = 10_000;

/** One line of progress: what is done, how fast now and on average, how long to go. */
export function progressLine(progress: Progress, elapsedMs: number, now?: Rate): string {
  const { instances, bytes, totalInstances, totalBytes, unit = 'instances' } = progress;
  const seconds = Math.max(elapsedMs, 1) / 1000;
  const parts = [
    `${formatCount(instances)}${ofTotal(totalInstances, formatCount)} ${unit}`,
    ...(bytes === undefined ? [] : [`${formatBytes(bytes)}${ofTotal(totalBytes, formatBytes)}`]),
    rateText({ instances: instances / seconds, bytes: (bytes ?? 0) / seconds }, bytes !== undefined),
  ];
  if (now !== undefined) parts.push(`now ${rateText(now, bytes !== undefined)}`);
  const left = timeLeftMs(progress, elapsedMs);
  if (left !== undefined) parts.push(`${formatDuration(left)} left`);
  const { comparedFraction } = progress;
  if (comparedFraction !== undefined) parts.push(`compared ${Math.floor(comparedFraction * 100)} %`);
  return parts.join(', ');
}

function rateText({ instances, bytes }: Rate, withBytes: boolean): string {
  const count = `${instances.toFixed(instances < 10 ? 1 : 0)}/s`;
  return withBytes ? `${count}, ${formatBytes(bytes)}/s` : count;
}

/** The time to go at the present rate; by bytes where their total is known, else by instances. */
export function timeLeftMs(progress: Progress, elapsedMs: number): number | undefined {
  const { instances, bytes = 0, totalInstances, totalBytes } = progress;
  if (totalBytes !== undefined && bytes > 0) return (Math.max(totalBytes - bytes, 0) / bytes) * elapsedMs;
  if (totalInstances !== undefined && instances > 0) {
    return (Math.max(totalInstances - instances, 0) / instances) * elapsedMs;
  }
  return undefined;
}

function ofTotal(total: number | undefined, format: (value: number) => string): string {
  return total === undefined ? '' : ` of ${format(total)}`;
}

/** Shows progress until it is disposed of. */
export interface ShownProgress extends Disposable {
  /** What is done now: `comparing`. Counts and rates begin anew. */
  phase(name: string): void;
  show(progress: Progress): void;
}

export interface ProgressClock {
  nowMs(): number;
  /** Calls back again and again until it is disposed of. */
  every(ms: number, call: () => void): Disposable;
}

const realClock: ProgressClock = {
  nowMs: () => performance.now(),
  every: (ms, call) => {
    const timer = setInterval(call, ms);
    timer.unref();
    return { [Symbol.dispose]: () => clearInterval(timer) };
  },
};

/** Starts showing progress; it prints no more often than a reader can follow, and never less. */
export function startProgress(terminal: Terminal, phase: string, clock: ProgressClock = realClock): ShownProgress {
  return new ShowingProgress(terminal, phase, clock);
}

/** Shows who is waited for while something is opened or looked at, before there is anything to count. */
export async function connecting<T>(terminal: Terminal, open: () => Promise<T>): Promise<T> {
  using _ = startProgress(terminal, 'connecting');
  return await open();
}

class ShowingProgress implements ShownProgress {
  readonly #terminal: Terminal;
  readonly #clock: ProgressClock;
  readonly #waiting: Waiting;
  readonly #open = new DisposableStack();
  #phase: string;
  #begunAtMs: number;
  #progress: Progress | undefined;
  #samples: { readonly atMs: number; readonly instances: number; readonly bytes: number }[] = [];

  constructor(terminal: Terminal, phase: string, clock: ProgressClock) {
    this.#terminal = terminal;
    this.#clock = clock;
    this.#phase = phase;
    this.#begunAtMs = clock.nowMs();
    this.#waiting = new Waiting(() => clock.nowMs());
    this.#open.use(onActivity(this.#waiting.note));
    this.#open.use(clock.every(terminal.interactive ? statusEveryMs : lineEveryMs, () => this.#tell()));
  }

  [Symbol.dispose](): void {
    this.#open.dispose();
  }

  phase(name: string): void {
    if (name === this.#phase) return;
    this.#phase = name;
    this.#begunAtMs = this.#clock.nowMs();
    this.#progress = undefined;
    this.#samples = [];
  }

  show(progress: Progress): void {
    this.#progress = progress;
  }

  #tell(): void {
    const waiting = this.#waiting.texts();
    const text = [...waiting, `${this.#phase}: ${this.#text()}`].join('; ');
    if (this.#terminal.interactive) this.#terminal.showStatus(text);
    else this.#terminal.say(text);
  }

  #text(): string {
    const elapsedMs = this.#clock.nowMs() - this.#begunAtMs;
    if (this.#progress !== undefined) return progressLine(this.#progress, elapsedMs, this.#rate(this.#progress));
    const answers = this.#waiting.answers;
    const asked = answers === 0 ? '' : `, ${formatCount(answers)} answer${answers === 1 ? '' : 's'}`;
    return `${formatDuration(elapsedMs)}${asked}`;
  }

  /** Of the last seconds; `undefined` until it is another than the average. */
  #rate({ instances, bytes = 0 }: Progress): Rate | undefined {
    const atMs = this.#clock.nowMs();
    this.#samples = [...this.#samples.filter((sample) => atMs - sample.atMs <= rateOverMs), { atMs, instances, bytes }];
    const [first] = this.#samples;
    if (first === undefined || atMs - this.#begunAtMs <= rateOverMs) return undefined;
    const seconds = Math.max(atMs - first.atMs, 1) / 1000;
    return { instances: (instances - first.instances) / seconds, bytes: (bytes - first.bytes) / seconds };
  }
}
