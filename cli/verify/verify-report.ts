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

/** Things of one kind by what reading them back showed; `repaired` of those damaged or lost. */
interface Counts {
  readonly sound: number;
  readonly damaged: number;
  readonly lost: number;
  readonly repaired: number;
  readonly vanished: number;
  readonly notVerified: number;
}

const nothing: Counts = { sound: 0, damaged: 0, lost: 0, repaired: 0, vanished: 0, notVerified: 0 };
const groups = { instance: 'instances', sidecar: 'sidecars', attachment: 'attachments', record: 'records' } as const;
type What = keyof typeof groups;

interface Problem {
  readonly what: What;
  readonly id: string;
  /** The hash of an instance, the key of anything else. */
  readonly name: string;
  readonly store: string;
  readonly kind: string;
  readonly error: MirrorError;
}

export class VerifyReport {
  readonly #terminal: Terminal;
  readonly #counts: Record<What, Counts> = {
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
    this.#tell({ what: 'instance', id, name: md5 ?? 'no hash', store, kind, error }, repair);
  }

  /** As {@link add}, for what an archive holds beside the instances. */
  addBeside(
    store: string,
    { what, id, key, kind, sizeBytes, error }: Checked,
    repair: RepairOutcome | undefined,
  ): void {
    this.#count(what, kind, sizeBytes, repair);
    if (error !== undefined) this.#tell({ what, id, name: key, store, kind, error }, repair);
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
    const counts = { instances, sidecars, attachments, records, bytesVerified: this.#bytesVerified, futureTimes };
    const exitCode = exitCodeOf(this.outcome());
    this.#terminal.tell({ type: 'summary', ...counts, exitCode }, [
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
    const sum = (of: (counts: Counts) => number) => all.reduce((total, counts) => total + of(counts), 0);
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

  #tell({ what, id, name, store, kind: found, error }: Problem, repair: RepairOutcome | undefined): void {
    const kind = found === 'unverified' ? 'not verified' : found;
    const from = repair?.kind === 'repaired' ? repair.from : undefined;
    const reason =
      repair?.kind === 'not-repaired' ? `${error.message}; not repaired: ${reasonOf(repair.error)}` : reasonOf(error);
    const key = what === 'instance' && found !== 'lost' ? { md5: name } : { key: name };
    const mark = from === undefined ? kind : `repaired from ${from}`;
    this.#terminal.tell(
      // Not collapsed: every difference is told, with its whole id.
      { type: 'problem', what, id, ...key, store, kind, code: error.code, reason, repairedFrom: from },
      `! ${id}  ${name}  ${store}  ${mark}: ${reason}`,
    );
  }
}

function countsText({ sound, damaged, lost, repaired, vanished, notVerified }: Counts): string {
  const [s, d, l, r, v, n] = [sound, damaged, lost, repaired, vanished, notVerified].map(formatCount);
  return `sound ${s}, damaged ${d}, lost ${l}, repaired ${r}, vanished ${v}, not verified ${n}`;
}
