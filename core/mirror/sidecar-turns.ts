/**
 * When the sidecars of a watch are synchronized: beside the copying of instances, so that neither waits for the other.
 * What fails is compared again, with growing pauses.
 */
import type { Clock } from '../clock.ts';
import type { Destination } from '../copy/outcome.ts';
import { isMirrorError, type MirrorError } from '../errors.ts';
import type { Change } from '../stores/change-feed.ts';
import type { Failures, SidecarSync } from './sidecar-sync.ts';

export interface SidecarTurnsOptions {
  readonly sidecars: Pick<SidecarSync, 'counts' | 'lastFailure' | 'follow' | 'reconcile'>;
  readonly clock: Clock;
  /** The destinations that cannot be used now. */
  readonly leftOut: () => ReadonlyMap<Destination, unknown>;
  /** Something ended the work on all of them, or on some studies. */
  readonly onFailure: (error: MirrorError) => Promise<void>;
  /** Aborts when the watch ends. */
  readonly signal: AbortSignal;
}

const firstPauseMs = 30_000;
const longestPauseMs = 3_600_000;
/** Changes that wait for their turn; with more, everything is compared. */
const mostChanges = 20_000;

export class SidecarTurns {
  readonly #options: SidecarTurnsOptions;
  #changes: Change[] = [];
  #following: Promise<void> | undefined;
  #reconciling: Promise<void> | undefined;
  #stop = new AbortController();
  #failures = 0;
  #dueAtMs = Number.POSITIVE_INFINITY;
  #defect: { readonly error: unknown } | undefined;

  constructor(options: SidecarTurnsOptions) {
    this.#options = options;
  }

  /** When everything is to be compared because something failed; infinite if nothing did. */
  get dueAtMs(): number {
    return this.#dueAtMs;
  }

  /** Whether all studies are being compared. */
  get isReconciling(): boolean {
    return this.#reconciling !== undefined;
  }

  /** Synchronizes what changes announce, as soon as those before are done. */
  follow(changes: readonly Change[]): void {
    if (this.#changes.length + changes.length > mostChanges) {
      this.#changes = [];
      this.reconcile();
      return;
    }
    this.#changes.push(...changes);
    this.#following ??= this.#followAll().finally(() => {
      this.#following = undefined;
    });
  }

  /** Compares the sidecars of all studies, and synchronizes what differs; anew if that is under way. */
  reconcile(): void {
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    this.#stop.abort();
    const stop = new AbortController();
    this.#stop = stop;
    const before = this.#reconciling;
    const turn = (async () => {
      await before;
      if (!stop.signal.aborted) await this.#reconcileAll(stop.signal);
    })();
    this.#reconciling = turn;
  }

  /** Other destinations can be used than before: what is under way is of no use any more. */
  changed(): void {
    if (this.#reconciling !== undefined) this.reconcile();
  }

  /** Compares again what failed, if its time has come. Throws what is a defect. */
  takeTurn(): void {
    if (this.#defect !== undefined) throw this.#defect.error;
    if (this.#options.clock.nowMs() >= this.#dueAtMs) this.reconcile();
  }

  /** Resolves when nothing is under way any more. */
  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#following, this.#reconciling]);
  }

  async #followAll(): Promise<void> {
    while (this.#changes.length > 0 && !this.#options.signal.aborted) {
      const changes = this.#changes;
      this.#changes = [];
      const { sidecars, leftOut, signal } = this.#options;
      await this.#attempt(() => sidecars.follow(changes, leftOut(), { signal }), signal);
    }
  }

  async #reconcileAll(stop: AbortSignal): Promise<void> {
    const { sidecars, leftOut } = this.#options;
    const signal = AbortSignal.any([stop, this.#options.signal]);
    const isDone = await this.#attempt(() => sidecars.reconcile(leftOut(), { signal }), signal);
    if (isDone) this.#failures = 0;
    if (this.#stop.signal === stop) this.#reconciling = undefined;
  }

  /** @returns whether all of it succeeded */
  async #attempt(work: () => Promise<Failures>, signal: AbortSignal): Promise<boolean> {
    const { sidecars } = this.#options;
    const failedBefore = sidecars.counts.failed;
    let failures: readonly MirrorError[] = [];
    try {
      failures = [...(await work()).values()];
      const { lastFailure } = sidecars;
      if (failures.length === 0 && sidecars.counts.failed > failedBefore && lastFailure) failures = [lastFailure];
    } catch (error) {
      if (!signal.aborted && !isMirrorError(error)) this.#defect = { error };
      else if (isMirrorError(error)) failures = [error];
    }
    if (signal.aborted || failures.length === 0) return !signal.aborted && this.#defect === undefined;
    await this.#tryAgainAfter(failures);
    return false;
  }

  /** What fails until then is tried with it, and told of once. */
  async #tryAgainAfter(failures: readonly MirrorError[]): Promise<void> {
    if (this.#dueAtMs < Number.POSITIVE_INFINITY) return;
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** this.#failures);
    this.#failures += 1;
    this.#dueAtMs = this.#options.clock.nowMs() + pauseMs;
    for (const failure of failures) await this.#options.onFailure(failure);
  }
}
