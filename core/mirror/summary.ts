/** Counts what became of every instance; constant memory. */
import { type CopyResult, type Destination, type OutcomeKind, outcomeKinds, worstKind } from '../copy/outcome.ts';
import { MirrorError } from '../errors.ts';
import type { LostInstance } from './presence.ts';

export type OutcomeCounts = Record<OutcomeKind, number>;

export interface Summary {
  /** Each instance once, by the worst that happened to it. */
  readonly instances: OutcomeCounts;
  /** The same for each destination by its name. */
  readonly destinations: ReadonlyMap<string, OutcomeCounts>;
  /** Of those that failed, those that only wait in a cold storage class. */
  readonly cold: number;
  readonly coldBytes: number;
  /** Bytes of DICOM files that were copied; each instance once, however many destinations took it. */
  readonly bytesCopied: number;
  /** Instances that were copied and are not in these bytes: nobody asked for their size. Of a dry run only. */
  readonly copiedUnsized: number;
  /** Ids that a destination holds and the source does not list. They are left alone. */
  readonly notAtSource: number;
}

/** Every kind with a zero, so that a summary never leaves one out. */
export function noOutcomes(): OutcomeCounts {
  return { copied: 0, 'already-equal': 0, vanished: 0, conflict: 0, rejected: 0, failed: 0 };
}

type CountedResult = Pick<CopyResult, 'outcomes' | 'sizeBytes'>;

export class SummaryCounter {
  readonly #instances = noOutcomes();
  readonly #destinations = new Map<string, OutcomeCounts>();
  #cold = 0;
  #coldBytes = 0;
  #bytesCopied = 0;
  #copiedUnsized = 0;
  #notAtSource = 0;

  constructor(destinationNames: readonly string[]) {
    for (const name of destinationNames) this.#destinations.set(name, noOutcomes());
  }

  /** Counts an instance with its final outcome at every destination. */
  add(result: CountedResult): void {
    this.#count(result, 1);
  }

  /** Takes back what was counted: the instance was tried again. */
  remove(result: CountedResult): void {
    this.#count(result, -1);
  }

  /** Counts an id that only destinations hold. */
  addNotAtSource(): void {
    this.#notAtSource += 1;
  }

  /** An instance that was counted as held at a destination is lost there: it counts as failed instead. */
  correct({ destination, told }: Pick<LostInstance, 'destination' | 'told'>): void {
    const before = told.get(destination);
    const worst = worstKind([...told.values()].map((kind) => ({ kind })));
    if (before === undefined) return;
    this.#instances[worst] -= 1;
    this.#instances.failed += 1;
    this.#countsOf(destination)[before] -= 1;
    this.#countsOf(destination).failed += 1;
  }

  summary(): Summary {
    return {
      instances: { ...this.#instances },
      destinations: new Map([...this.#destinations].map(([name, counts]) => [name, { ...counts }])),
      cold: this.#cold,
      coldBytes: this.#coldBytes,
      bytesCopied: this.#bytesCopied,
      copiedUnsized: this.#copiedUnsized,
      notAtSource: this.#notAtSource,
    };
  }

  #count({ outcomes, sizeBytes }: CountedResult, times: 1 | -1): void {
    const bytes = sizeBytes ?? 0;
    this.#instances[worstKind(outcomes)] += times;
    if (isCold(outcomes)) {
      this.#cold += times;
      this.#coldBytes += times * bytes;
    }
    if (outcomes.some(({ kind }) => kind === 'copied')) {
      this.#bytesCopied += times * bytes;
      if (sizeBytes === undefined) this.#copiedUnsized += times;
    }
    for (const { destination, kind } of outcomes) this.#countsOf(destination)[kind] += times;
  }

  #countsOf({ store: { name } }: Destination): OutcomeCounts {
    const counts = this.#destinations.get(name);
    if (counts === undefined) throw new MirrorError('configuration', `unknown destination ${name}`);
    return counts;
  }
}

/** Whether nothing but a cold storage class kept an instance from its destinations. */
function isCold(outcomes: CopyResult['outcomes']): boolean {
  const failed = outcomes.filter(({ kind }) => kind === 'failed');
  return failed.length > 0 && failed.every(({ error }) => error?.code === 'cold');
}

/** @returns how many instances a summary speaks of. */
export function countOf(counts: OutcomeCounts): number {
  return outcomeKinds.reduce((sum, kind) => sum + counts[kind], 0);
}
