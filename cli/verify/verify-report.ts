/** What `verify` tells: a line for everything that is not as it should be, and the counts of each kind. */

import type { RepairOutcome } from '../../core/archive-life/verify/repair.ts';
import type { Verified } from '../../core/archive-life/verify/verify.ts';
import type { Checked } from '../../core/archive-life/verify-beside.ts';
import type { MirrorError } from '../../core/errors.ts';
import { exitCodeOf, type Outcome } from '../exit-codes.ts';
import { formatBytes, formatCount } from '../format.ts';
import { reasonOf } from '../next-steps.ts';
import type { Progress } from '../progress.ts';
import type { Terminal } from '../terminal.ts';
import type { VerifyCounts, VerifyProblem, VerifySummary } from './output.ts';

type What = VerifyProblem['what'];
/** What is wrong; what has no hash of its own, or lost it, is named by its key. */
type Problem = Pick<VerifyProblem, 'what' | 'id' | 'md5' | 'key' | 'store'> & {
  readonly kind: Exclude<Checked['kind'], 'sound'>;
  readonly error: MirrorError;
};

const nothing: VerifyCounts = { sound: 0, damaged: 0, lost: 0, repaired: 0, vanished: 0, notVerified: 0 };

export class VerifyReport {
  readonly #terminal: Terminal;
  readonly #counts: Record<What, VerifyCounts> = {
    instance: nothing,
    sidecar: nothing,
    attachment: nothing,
    record: nothing,
  };
  /** Of what was read back and found sound. */
  #bytesVerified = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** Takes an instance in and prints it unless it is sound. `repaired` where a repair was tried. */
  add(store: string, result: Verified, repair: RepairOutcome | undefined): void {
    this.#count('instance', result.kind, result.kind === 'sound' ? result.sizeBytes : 0, repair);
    if (result.kind !== 'damaged' && result.kind !== 'unverified') return;
    const { id, md5, kind, error } = result;
    this.#tell({ what: 'instance', id, md5, store, kind, error }, repair);
  }

  /** As {@link add}, for what an archive holds beside the instances. */
  addBeside(
    store: string,
    { what, id, key, kind, sizeBytes, error }: Checked,
    repair: RepairOutcome | undefined,
  ): void {
    this.#count(what, kind, sizeBytes, repair);
    if (kind !== 'sound' && error !== undefined) this.#tell({ what, id, key, store, kind, error }, repair);
  }

  progress(): Progress {
    const { sound, damaged, notVerified } = this.#counts.instance;
    return { instances: sound + damaged + notVerified, bytes: this.#bytesVerified };
  }

  /**
   * @param ofArchive whether an archive was verified, so that there is more than instances
   * @param futureTimes records and sidecars of the archive with times in the future
   */
  finish(ofArchive: boolean, futureTimes: number): void {
    const { instance: instances, sidecar: sidecars, attachment: attachments, record: records } = this.#counts;
    const summary: VerifySummary = {
      type: 'summary',
      instances,
      sidecars,
      attachments,
      records,
      bytesVerified: this.#bytesVerified,
      futureTimes,
      exitCode: exitCodeOf(this.outcome()),
    };
    this.#terminal.tell(summary, [
      `instances: ${countsText(instances)} (${formatBytes(this.#bytesVerified)} verified)`,
      ...(ofArchive
        ? [
            `sidecars: ${countsText(sidecars)}`,
            `attachments: ${countsText(attachments)}`,
            `records of history: ${countsText(records)}`,
          ]
        : []),
    ]);
  }

  outcome(): Outcome {
    const all = Object.values(this.#counts);
    const sum = (of: (counts: VerifyCounts) => number) => all.reduce((total, counts) => total + of(counts), 0);
    return {
      conflicting: 0,
      rejected: 0,
      failed: sum(({ notVerified }) => notVerified),
      differences: sum(({ damaged, lost, repaired }) => damaged + lost - repaired),
    };
  }

  #count(what: What, kind: Checked['kind'], sizeBytes: number, repair: RepairOutcome | undefined): void {
    const counts = this.#counts[what];
    const field = kind === 'unverified' ? 'notVerified' : kind;
    const repaired = counts.repaired + (repair?.kind === 'repaired' ? 1 : 0);
    this.#counts[what] = { ...counts, [field]: counts[field] + 1, repaired };
    this.#bytesVerified += sizeBytes;
  }

  #tell({ kind: found, error, ...named }: Problem, repair: RepairOutcome | undefined): void {
    const kind = found === 'unverified' ? 'not verified' : found;
    const repairedFrom = repair?.kind === 'repaired' ? repair.from : undefined;
    const reason =
      repair?.kind === 'not-repaired' ? `${error.message}; not repaired: ${reasonOf(repair.error)}` : reasonOf(error);
    const mark = repairedFrom === undefined ? kind : `repaired from ${repairedFrom}`;
    const { id, md5, key, store } = named;
    const line: VerifyProblem = { type: 'problem', ...named, kind, code: error.code, reason, repairedFrom };
    // Not collapsed: every difference is told, with its whole id.
    this.#terminal.tell(line, `! ${id}  ${md5 ?? key ?? 'no hash'}  ${store}  ${mark}: ${reason}`);
  }
}

/** Every count by its name, in the order in which the schema has them. */
function countsText(counts: VerifyCounts): string {
  const words = (name: string) => name.replace(/[A-Z]/, (letter) => ` ${letter.toLowerCase()}`);
  return Object.entries(counts)
    .map(([name, count]) => `${words(name)} ${formatCount(count)}`)
    .join(', ');
}
