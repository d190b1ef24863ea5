/** What `check` tells: lines of differences, and the counts of each store. */
import type { z } from 'zod';
import {
  type ComparedInstance,
  type ComparisonKind,
  comparisonKinds,
  comparisonSigns,
} from '../../core/mirror/check.ts';
import { exitCodeOf } from '../exit-codes.ts';
import { formatCount } from '../format.ts';
import { reasonOf } from '../next-steps.ts';
import type { checkSummarySchema } from './output.ts';

type Counts = Record<ComparisonKind, number>;

export type CheckSummary = z.output<typeof checkSummarySchema>;

const words: Readonly<Record<ComparisonKind, string>> = {
  equal: 'equal',
  missing: 'missing',
  'not-at-source': 'not at the source',
  conflict: 'with other bytes',
  unknown: 'unknown',
  removed: 'removed at the source',
};

/** One difference as a line: sign, whole id, store, and the reason where there is one. */
export function differenceLine(difference: {
  readonly id: string;
  readonly store: string;
  readonly kind: ComparisonKind;
  readonly error?: Parameters<typeof reasonOf>[0];
}): string {
  const { id, store, kind, error } = difference;
  return `${comparisonSigns[kind]} ${id}  ${store}${error === undefined ? '' : `  ${reasonOf(error)}`}`;
}

/** Counts differences; constant memory. */
export class CheckReport {
  readonly #stores = new Map<string, Counts>();
  #atSource = 0;

  constructor(names: readonly string[]) {
    for (const name of names) {
      this.#stores.set(name, { equal: 0, missing: 0, 'not-at-source': 0, conflict: 0, unknown: 0, removed: 0 });
    }
  }

  count({ comparisons, atSource }: ComparedInstance): void {
    if (atSource) this.#atSource += 1;
    for (const { destination, kind } of comparisons) {
      const counts = this.#stores.get(destination.store.name);
      if (counts !== undefined) counts[kind] += 1;
    }
  }

  summary(source: string, futureTimes: number): CheckSummary {
    const stores = [...this.#stores].map(([name, counts]) => ({ name, ...counts }));
    const differences = stores.reduce((sum, counts) => {
      return sum + counts.missing + counts['not-at-source'] + counts.conflict + counts.unknown;
    }, 0);
    const exitCode = exitCodeOf({ conflicting: 0, rejected: 0, failed: 0, differences });
    return { type: 'summary', source, atSource: this.#atSource, stores, differences, futureTimes, exitCode };
  }

  lines(): readonly string[] {
    const stores = [...this.#stores].map(([name, counts]) => {
      return `  ${name}: ${comparisonKinds.map((kind) => `${formatCount(counts[kind])} ${words[kind]}`).join(', ')}`;
    });
    return [`${formatCount(this.#atSource)} instances at the source`, ...stores];
  }
}
