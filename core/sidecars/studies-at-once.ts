/** How many studies are read or synchronized at once: as many as the servers take well, and as memory holds. */
import { AdaptiveConcurrency } from '../copy/adaptive-concurrency.ts';
import { isMirrorError } from '../errors.ts';

export interface StudiesAtOnceOptions {
  /** Never more than this many. */
  readonly ceiling: number;
  /** Of any monotonic clock; default: the machine's. */
  readonly nowMs?: (() => number) | undefined;
}

/** What is to be known of a study that is done. */
export interface DoneStudy {
  readonly instances: number;
  /** Whether a server was too busy for it, or did not answer. */
  readonly wasPushedBack?: boolean | undefined;
}

/** Instances of all studies that are under way, by the largest that was met: sidecars of so many are held in memory. */
const mostInstances = 32_000;
/** So many studies are under way whatever their size. */
const fewestStudies = 8;
/** What is told of an instance in the answers of servers. */
const bytesPerInstance = 1500;

export class StudiesAtOnce {
  readonly #concurrency: AdaptiveConcurrency;
  readonly #nowMs: () => number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #largest = 1;

  constructor({ ceiling, nowMs = () => performance.now() }: StudiesAtOnceOptions) {
    this.#concurrency = new AdaptiveConcurrency({ ceiling });
    this.#nowMs = nowMs;
  }

  /** Does `work` on a study when its turn has come. `tell` says of its result what is to be known. Throws what `work` throws. */
  async through<Result>(work: () => Promise<Result>, tell: (result: Result) => DoneStudy): Promise<Result> {
    if (this.#running >= this.#limit) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running += 1;
    const startedAtMs = this.#nowMs();
    try {
      const result = await work();
      this.#learn(tell(result), startedAtMs);
      return result;
    } catch (error) {
      const wasPushedBack = isMirrorError(error) && error.disposition === 'retry';
      if (wasPushedBack) this.#learn({ instances: 0, wasPushedBack }, startedAtMs);
      throw error;
    } finally {
      this.#running -= 1;
      this.#resume();
    }
  }

  get #limit(): number {
    const room = Math.max(fewestStudies, Math.floor(mostInstances / this.#largest));
    return Math.min(this.#concurrency.limit, room);
  }

  #learn({ instances, wasPushedBack = false }: DoneStudy, startedAtMs: number): void {
    const nowMs = this.#nowMs();
    const latencyMs = nowMs - startedAtMs;
    this.#largest = Math.max(this.#largest, instances);
    if (wasPushedBack) this.#concurrency.pushedBack({ latencyMs, nowMs });
    else
      this.#concurrency.succeeded({
        latencyMs,
        nowMs,
        sizeBytes: instances * bytesPerInstance,
        atOnce: this.#running,
      });
  }

  #resume(): void {
    while (this.#running < this.#limit) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#running += 1;
      next();
    }
  }
}
