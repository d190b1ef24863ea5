/** What copies are given: the source, the memory they share, how many there may be, and whom to tell. */
import type { Clock } from '../clock.ts';
import type { Store } from '../stores/store.ts';
import { ByteBudget } from './byte-budget.ts';
import type { CopyResult, Lost } from './outcome.ts';

export interface CopyContext {
  readonly source: Store;
  readonly signal?: AbortSignal | undefined;
  /** Shared by all copies of a process. */
  readonly budget: ByteBudget;
}

/** The budget of a process: 64 MiB hold 16 instances of the largest size that is kept in memory, or 2 streams. */
export function defaultBudget(): ByteBudget {
  return new ByteBudget(64 * 1024 * 1024);
}

export interface CopyManyOptions extends CopyContext {
  /** Most copies at once. */
  readonly ceiling: number;
  /** How often an instance is tried before it is reported as failed; default 4. */
  readonly attempts?: number;
  /** How long to wait for a server that went away before it is given up; default one minute. */
  readonly patienceMs?: number;
  /** By which it waits. */
  readonly clock?: Clock | undefined;
  /** May change what became of an instance before it is reported, such as replacing a target's version. */
  readonly finish?: (result: CopyResult) => Promise<CopyResult>;
  /** Called once for each instance that was begun, with its final outcome at every destination. */
  readonly onResult: (result: CopyResult) => void;
  /** Called when a store can be used no more, before what failed because of it is reported. */
  readonly onLost?: ((lost: Lost) => void) | undefined;
  /** After this no new copy starts; what runs is finished. */
  readonly draining?: AbortSignal | undefined;
}
