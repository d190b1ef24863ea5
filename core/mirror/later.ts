/** Instances that failed for a reason that may pass: a watch tries them again with growing pauses. */
import type { CopyResult } from '../copy/outcome.ts';
import type { InstanceId } from '../identifiers.ts';

const firstPauseMs = 60_000;
const longestPauseMs = 3_600_000;
/** After so many tries an instance is left to the next comparison. */
const mostTries = 8;
/** More are left to the next comparison. */
const mostInstances = 10_000;

interface Waiting {
  readonly tries: number;
  readonly dueAtMs: number;
  /** How it was counted when it failed; `undefined` if it was not. */
  readonly counted: CopyResult | undefined;
}

export class Later {
  readonly #waiting = new Map<InstanceId, Waiting>();
  #dueAtMs = Number.POSITIVE_INFINITY;

  /** When the next one is due; infinite if none waits. */
  get dueAtMs(): number {
    return this.#dueAtMs;
  }

  /** How an instance was counted that failed before. */
  counted(id: InstanceId): CopyResult | undefined {
    return this.#waiting.get(id)?.counted;
  }

  /** An instance failed. @param counted how it was counted; `undefined`: it was not to blame, and is due at once */
  note(id: InstanceId, nowMs: number, counted: CopyResult | undefined): void {
    const known = this.#waiting.get(id);
    if (known === undefined && this.#waiting.size >= mostInstances) return;
    const tries = counted === undefined ? (known?.tries ?? 0) : (known?.tries ?? 0) + 1;
    const pauseMs = counted === undefined ? 0 : Math.min(longestPauseMs, firstPauseMs * 2 ** (tries - 1));
    const dueAtMs = tries >= mostTries ? Number.POSITIVE_INFINITY : nowMs + pauseMs;
    this.#waiting.set(id, { tries, dueAtMs, counted: counted ?? known?.counted });
    this.#dueAtMs = Math.min(this.#dueAtMs, dueAtMs);
  }

  /** An instance was dealt with. */
  forget(id: InstanceId): void {
    this.#waiting.delete(id);
  }

  /** @returns the instances whose time has come; they are due again only after they failed again, or much later */
  due(nowMs: number): readonly InstanceId[] {
    if (nowMs < this.#dueAtMs) return [];
    const due = [...this.#waiting].filter(([, { dueAtMs }]) => dueAtMs <= nowMs);
    for (const [id, waiting] of due) this.#waiting.set(id, { ...waiting, dueAtMs: nowMs + longestPauseMs });
    this.#dueAtMs = Math.min(...[...this.#waiting.values()].map(({ dueAtMs }) => dueAtMs));
    return due.map(([id]) => id);
  }
}
