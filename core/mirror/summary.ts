/** Counts what became of every instance; constant memory. */
import { type CopyResult, type DestinationOutcome, type OutcomeKind, worstKind } from '../copy/outcome.ts';
import { MirrorError } from '../errors.ts';

export type OutcomeCounts = Record<OutcomeKind, number>;

export interface Summary {
  /** Each instance once, by the worst that happened to it. */
  readonly instances: OutcomeCounts;
  /** The same for each destination by its name. */
  readonly destinations: ReadonlyMap<string, OutcomeCounts>;
  /** Bytes of DICOM files that were copied; each instance once, however many destinations took it. */
  readonly bytesCopied: number;
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
  #bytesCopied = 0;
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

  summary(): Summary {
    return {
      instances: { ...this.#instances },
      destinations: new Map([...this.#destinations].map(([name, counts]) => [name, { ...counts }])),
      bytesCopied: this.#bytesCopied,
      notAtSource: this.#notAtSource,
    };
  }

  #count({ outcomes, sizeBytes = 0 }: CountedResult, times: 1 | -1): void {
    this.#instances[worstKind(outcomes)] += times;
    if (outcomes.some(({ kind }) => kind === 'copied')) this.#bytesCopied += times * sizeBytes;
    for (const outcome of outcomes) this.#countAt(outcome, times);
  }

  #countAt({ destination, kind }: DestinationOutcome, times: 1 | -1): void {
    const counts = this.#destinations.get(destination.store.name);
    if (counts === undefined) throw new MirrorError('configuration', `unknown destination ${destination.store.name}`);
    counts[kind] += times;
  }
}
