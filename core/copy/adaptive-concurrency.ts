/**
 * How many copies run at once. As BBR does for packets, it estimates how many are *on their way* when nothing waits
 * (rate × latency of an idle path) and lets a few more run. Over a distance the latency stays as more run, so the
 * limit grows; at a busy server the latency grows instead of the rate, so it does not. Pure: it is told what happened
 * and answers with a number; it neither waits nor measures time itself.
 */
import { type Latencies, Round } from './round.ts';

/**
 * Most copies at once, unless a user says otherwise: enough for a far server. A near one is given a few more than it
 * can work on, whatever the ceiling.
 */
export const defaultCeiling = 48;
/** The same for what does not adapt to how a server takes it, such as sidecars: as many as one in the same room bears. */
export const defaultUnadaptedAtOnce = 16;

export interface ConcurrencyLimits {
  /** Never more than this many at once. */
  readonly ceiling: number;
  /** Where it starts; default 4, the lower end of what Orthanc servers were measured to gain from. */
  readonly start?: number;
}

/** A copy that ended. */
export interface EndedCopy {
  readonly latencyMs: number;
  /** Of any monotonic clock. */
  readonly nowMs: number;
}

export interface GoodCopy extends EndedCopy {
  /** What was moved; 0 if only questions were asked. */
  readonly sizeBytes: number;
  /** How many copies ran when it ended, itself included. */
  readonly atOnce: number;
}

/** Doubling goes on until copies take so many times longer than on an idle path: the rate has (almost) ceased to grow. */
const stretchThatEndsDoubling = 1.6;
/** The rounds of the start are short: copies that take so many times longer may do so by chance. */
const stretchOfChance = 1.2;
/** So many wait at a server that it is never idle: what arrives varies with the square root of those on their way. */
const fewestWaiting = 2;
const waitingPerRoot = 0.7;
/** Few enough that nothing of ours waits, and enough that most of the rate is kept. */
const shareWhileMeasuring = 0.6;
/** The latency of the idle path is measured again after so long, unless it is met at the ceiling, or the limit fell. */
const baseLastsMs = 20_000;
const stretchThatMeetsBase = 1.02;
const fallThatDoubtsBase = 0.6;
/**
 * Only latencies that are shorter by so much (as a logarithm: by 40 %) count at once: to follow each quick moment would
 * make all others look like load.
 */
const muchShorter = 0.5;
/** A limit at which the destination pushed back is kept away from for so long; longer each time that it does again. */
const firstRefusalLastsMs = 2_000;
const longestRefusalLastsMs = 60_000;
const shareBelowRefusal = 0.95;
/** A limit is left as it is for a smaller change. */
const worthChanging = 0.04;
/** A round has at least so many copies, and lasts until chance can have falsified its latencies by no more than that. */
const fewestCopies = 8;
const mostNoise = 0.05;
/** Of how many rounds the estimate is the mean. */
const roundsRemembered = 3;

/**
 * `starting`: doubles each round. `steady`: follows the estimate. `measuring`: of the idle path, with so few that
 * nothing of ours waits.
 */
type Phase = 'starting' | 'measuring' | 'steady';

export class AdaptiveConcurrency {
  readonly #ceiling: number;
  #phase: Phase = 'starting';
  #limit: number;
  /** Where the limit goes: up by one with each copy that ends, so that no server meets a burst; down at once. */
  #aim: number;
  /** Copies that began before ran with another aim. */
  #aimSinceMs = Number.NEGATIVE_INFINITY;
  /** Of the copies that begin together the quick ones end first: so many are left out, or everything looks quick. */
  #toSkip = 0;
  #round = new Round();
  /** What copies take when nothing waits. */
  #base: Latencies = new Map();
  #baseMetAtMs = Number.NEGATIVE_INFINITY;
  #highestSinceBase = 0;
  /** How many were on their way in the last rounds, without those that waited. */
  #onTheirWay: readonly number[] = [];
  #refused = { aim: Number.POSITIVE_INFINITY, lastsMs: 0, untilMs: Number.NEGATIVE_INFINITY };

  constructor({ ceiling, start = 4 }: ConcurrencyLimits) {
    this.#ceiling = Math.max(1, Math.floor(ceiling));
    this.#limit = Math.min(Math.max(1, start), this.#ceiling);
    this.#aim = this.#limit;
  }

  /** How many copies may run now. */
  get limit(): number {
    return this.#limit;
  }

  succeeded(copy: GoodCopy): void {
    if (this.#limit < this.#aim) this.#limit += 1;
    if (copy.nowMs - copy.latencyMs < this.#aimSinceMs) return;
    if (this.#toSkip > 0) {
      this.#toSkip -= 1;
      return;
    }
    this.#round.add(copy);
    if (this.#tellsEnough()) this.#endRound(copy.nowMs);
  }

  /** The destination was too busy (409, 429, 503) or too slow (timeout, lost connection): halve, come back gently. */
  pushedBack({ latencyMs, nowMs }: EndedCopy): void {
    // Copies that were in flight together fail together; only the first of them counts.
    if (nowMs - latencyMs < this.#aimSinceMs) return;
    const { lastsMs: before, untilMs } = this.#refused;
    const again = nowMs < untilMs + 4 * before;
    const lastsMs = again ? Math.min(2 * before, longestRefusalLastsMs) : firstRefusalLastsMs;
    this.#refused = { aim: this.#limit, lastsMs, untilMs: nowMs + lastsMs };
    this.#onTheirWay = [];
    this.#measureBase(this.#limit / 2, nowMs);
    this.#aimSinceMs = nowMs;
    this.#round = new Round();
  }

  #tellsEnough(): boolean {
    const { copies, noise } = this.#round;
    if (this.#phase === 'starting') return copies >= Math.max(4, this.#aim / 2);
    const fewest = Math.max(fewestCopies, this.#phase === 'measuring' ? this.#aim : 2 * this.#aim);
    return copies >= fewest && (noise <= mostNoise || copies >= 8 * fewest);
  }

  #endRound(nowMs: number): void {
    const round = this.#round;
    this.#round = new Round();
    if (this.#phase === 'measuring') {
      this.#takeBase(round, nowMs);
      return;
    }
    const stretch = this.#meetBase(round, nowMs);
    // With less to copy than might run, the round says nothing of the limit.
    if (round.atOnce < this.#aim * 0.8) return;
    const onTheirWay = round.atOnce / stretch;
    this.#onTheirWay = [...this.#onTheirWay, onTheirWay].slice(-roundsRemembered);
    if (this.#phase === 'starting') this.#goOnStarting(stretch, nowMs);
    else if (this.#doubtsBase(nowMs)) this.#drain(stretch, nowMs);
    else this.#aimAtEstimate(nowMs);
  }

  #goOnStarting(stretch: number, nowMs: number): void {
    const isAtMost = this.#aim >= this.#mostNow(nowMs);
    // Rounds of the start tell little. Where nothing waits even at the ceiling, the path is as good as idle.
    if (isAtMost && stretch <= stretchOfChance) this.#measureBase(this.#aim, nowMs);
    else if (isAtMost || stretch > stretchThatEndsDoubling) this.#drain(stretch, nowMs);
    else this.#aimAt(this.#aim * 2, nowMs);
  }

  #doubtsBase(nowMs: number): boolean {
    return nowMs - this.#baseMetAtMs > baseLastsMs || this.#aim < this.#highestSinceBase * fallThatDoubtsBase;
  }

  #drain(stretch: number, nowMs: number): void {
    this.#measureBase((this.#aim / stretch) * shareWhileMeasuring, nowMs);
  }

  #measureBase(atOnce: number, nowMs: number): void {
    this.#phase = 'measuring';
    this.#aimAt(Math.floor(atOnce), nowMs);
    this.#toSkip = this.#aim;
  }

  /** Nothing of ours waited: this is what the path takes now, be it more than before or less. */
  #takeBase(round: Round, nowMs: number): void {
    const stretch = round.stretch(this.#base);
    // Sizes that did not come now are taken to have changed as the others did.
    const others = [...this.#base].map(([sizeClass, log]) => [sizeClass, log + Math.log(stretch)] as const);
    this.#base = new Map([...others, ...round.latencies]);
    this.#baseMetAtMs = nowMs;
    this.#highestSinceBase = 0;
    // The rate is as it was: a longer path has more on its way.
    const before = this.#onTheirWay.map((onTheirWay) => onTheirWay * stretch);
    this.#onTheirWay = before.length > 0 ? before : [round.atOnce];
    this.#phase = stretch > stretchThatEndsDoubling ? 'starting' : 'steady';
    this.#aimAtEstimate(nowMs);
  }

  /** Learns much shorter latencies and those of new sizes. @returns how many times longer than an idle path's they were */
  #meetBase(round: Round, nowMs: number): number {
    const stretch = round.stretch(this.#base);
    if (stretch <= stretchThatMeetsBase && this.#aim >= this.#mostNow(nowMs)) this.#baseMetAtMs = nowMs;
    const base = new Map(this.#base);
    for (const [sizeClass, log] of round.latencies) {
      const known = base.get(sizeClass);
      if (known === undefined) base.set(sizeClass, log - Math.log(stretch));
      else if (log < known - Math.max(muchShorter, 3 * round.noise)) base.set(sizeClass, log);
    }
    this.#base = base;
    return stretch;
  }

  #aimAtEstimate(nowMs: number): void {
    const onTheirWay = this.#onTheirWay.reduce((sum, each) => sum + each, 0) / this.#onTheirWay.length;
    this.#aimAt(onTheirWay + Math.max(fewestWaiting, waitingPerRoot * Math.sqrt(onTheirWay)), nowMs);
  }

  #aimAt(wanted: number, nowMs: number): void {
    const aim = Math.min(this.#mostNow(nowMs), Math.max(1, Math.round(wanted)));
    this.#highestSinceBase = Math.max(this.#highestSinceBase, aim);
    if (Math.abs(aim - this.#aim) <= this.#aim * worthChanging) return;
    this.#aim = aim;
    this.#limit = Math.min(this.#limit, aim);
    this.#aimSinceMs = nowMs;
    this.#toSkip = this.#phase === 'starting' ? 0 : aim;
  }

  #mostNow(nowMs: number): number {
    const { aim, untilMs } = this.#refused;
    return nowMs < untilMs ? Math.min(this.#ceiling, Math.max(1, Math.floor(aim * shareBelowRefusal))) : this.#ceiling;
  }
}
