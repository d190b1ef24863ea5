/** Failures for the same reason: a full disk is told ten times, not once for each of a million instances. */
import { formatCount } from '../format.ts';
import { cellText, type Result } from './format.ts';

const toldInFull = 10;
/** What keeps an instance from being copied. What `verify` and its like find out of an instance is told each time. */
const repeated: ReadonlySet<unknown> = new Set(['failed', 'rejected', 'conflict', 'refused', 'sidecar-failed']);

export class RepeatedFailures {
  readonly #counts = new Map<string, number>();

  /** Counts a result; @returns whether it is told. Everything is but the eleventh and further failures for a reason. */
  isTold(result: Result): boolean {
    if (result.type !== 'problem' || !repeated.has(result.outcome)) return true;
    const { outcome, kind, code, destination, store } = result;
    const what = [outcome ?? kind, destination ?? store].map(cellText).join(' at ');
    const reason = `${what} (${cellText(code ?? 'unknown')})`;
    const count = (this.#counts.get(reason) ?? 0) + 1;
    this.#counts.set(reason, count);
    return count <= toldInFull;
  }

  /** What was only counted, a line for each reason. The counting begins anew. */
  lines(): readonly string[] {
    const more = [...this.#counts].filter(([, count]) => count > toldInFull);
    this.#counts.clear();
    if (more.length === 0) return [];
    return [
      ...more.map(
        ([reason, count]) => `… ${reason}: ${formatCount(count - toldInFull)} more, ${formatCount(count)} in all`,
      ),
      'every one of them is in the output of --json and in the file of --report',
    ];
  }
}
