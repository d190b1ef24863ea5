import { createHash } from 'node:crypto';
import type { RestoredSidecar } from '../../core/archive-life/restore/restore-sidecars.ts';
import type { RepairOutcome } from '../../core/archive-life/verify/repair.ts';
import type { Verified } from '../../core/archive-life/verify/verify.ts';
import type { MirrorError } from '../../core/errors.ts';
import type { InstanceId, Md5, OrthancId, ResourceLevel } from '../../core/identifiers.ts';
import { overwrites } from '../../core/sidecars/apply-sidecar.ts';
import type { ContentChange, KeptValue } from '../../core/sidecars/plan-changes.ts';
import type { InstanceRecord } from '../../core/sidecars/sidecar.ts';
import type { SidecarFinding } from '../../core/sidecars/sidecar-state.ts';
import { reasonOf } from '../next-steps.ts';
import { type Problem, problemLine } from '../run/run-report.ts';
import type { Terminal } from '../terminal.ts';

interface Finding {
  readonly id: OrthancId;
  readonly destination: string;
  readonly outcome: string;
  readonly code: string;
  readonly reason: string;
}

/** One change of a dry run, or a value that is kept. Labels are told by a hash, as they may tell of a patient. */
interface Change {
  readonly change: 'add' | 'replace' | 'remove' | 'keep';
  readonly level: ResourceLevel;
  readonly id: OrthancId;
  readonly what: 'instance' | 'label' | 'metadata' | 'attachment' | 'protection';
  readonly number?: number | undefined;
  readonly labelSha256?: string | undefined;
}

/** What is said of an instance whose versions no record tells apart. */
export function undecidedLine(id: InstanceId): string {
  return `instance ${id} has several versions and no record of which counts; the newest was taken`;
}

/** Prints each thing that went wrong, or that is worth a look, as one line, of text or of JSON. */
export class ProblemPrinter {
  readonly #terminal: Terminal;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  instance(problem: Problem): void {
    this.#terminal.tell({ ...problem }, problemLine(problem));
  }

  /** Prints what a sidecar met: why it failed, what stays as it is, and what is lost. */
  document({ studyId: id, kind, error, kept, lost }: RestoredSidecar, destination: string, archive: string): void {
    if (kind === 'failed' && error !== undefined) {
      this.#print({ id, destination, outcome: 'sidecar-failed', code: error.code, reason: reasonOf(error) });
    }
    for (const value of kept) this.change(changeOfKept(value), destination);
    for (const instance of lost) this.#lost(instance, archive);
  }

  /** Prints each change that a dry run found. */
  changes(changes: readonly ContentChange[], destination: string): void {
    for (const change of changes) this.change(changeOf(change), destination);
  }

  change(change: Change, destination: string): void {
    const { level, id, what, number, labelSha256 } = change;
    const name = [what, number, labelSha256].filter((part) => part !== undefined).join(' ');
    const note = change.change === 'keep' ? '  it holds another value, which stays' : '';
    const text = `${change.change}  ${level}/${id}  ${name}  ${destination}${note}`;
    this.#terminal.tell({ type: 'change', ...change, destination }, text);
  }

  /** Prints nothing if the instance is sound. */
  verified(verified: Verified, destination: string): void {
    const { id, kind } = verified;
    if (kind === 'sound') return;
    if (kind === 'vanished') this.missing(id, destination);
    else this.#print({ id, destination, outcome: kind, code: verified.error.code, reason: reasonOf(verified.error) });
  }

  missing(id: InstanceId, destination: string): void {
    this.#print({ id, destination, outcome: 'missing', code: 'vanished', reason: `${destination} does not hold it` });
  }

  /** Prints that an archive lost the version that counts. */
  lost(id: InstanceId, archive: string, md5: Md5): void {
    const reason = `the object with MD5 ${md5} is gone; bring it back with verify --repair, then restore again`;
    this.#print({ id, destination: archive, outcome: 'lost', code: 'source-corrupt', reason });
  }

  /** Prints that an archive cannot tell what it had of an instance at the moment. */
  history(id: InstanceId, archive: string, error: MirrorError): void {
    this.#print({ id, destination: archive, outcome: 'history', code: error.code, reason: reasonOf(error) });
  }

  /** Prints a value that the target should hold by now and does not. */
  differing(changes: readonly ContentChange[], destination: string): void {
    for (const change of changes) {
      const { id, level, what, number } = changeOf(change);
      const reason = `${[what, number].filter((part) => part !== undefined).join(' ')} of ${level}/${id} is not there`;
      this.#print({ id, destination, outcome: 'differs', code: 'vanished', reason });
    }
  }

  /** Prints a sidecar of the archive that cannot be read. */
  finding({ id, error }: SidecarFinding, archive: string): void {
    this.#print({ id, destination: archive, outcome: 'sidecar', code: error.code, reason: reasonOf(error) });
  }

  /** Prints where the version of an instance is saved that another one took the place of. */
  replaced(id: InstanceId, destination: string, savedUnder: string | undefined): void {
    const reason = savedUnder === undefined ? 'there was none' : `what was there is saved under ${savedUnder}`;
    this.#terminal.tell(
      { type: 'replaced', id, destination, savedUnder },
      `replaced  ${id}  ${destination}  ${reason}`,
    );
  }

  /** Prints what became of a damaged instance. */
  repaired(id: InstanceId, destination: string, repair: RepairOutcome, otherVersion: boolean): void {
    if (repair.kind === 'not-repaired') {
      this.#print({
        id,
        destination,
        outcome: 'not-repaired',
        code: repair.error.code,
        reason: reasonOf(repair.error),
      });
      return;
    }
    const { from, savedUnder } = repair;
    const saved = savedUnder === undefined ? '' : `; what was there is saved under ${savedUnder}`;
    const reason = otherVersion
      ? `repaired with another version from ${from}: the one that ${destination} had is nowhere${saved}`
      : `repaired from ${from}`;
    this.#print({ id, destination, outcome: 'repaired', code: 'source-corrupt', reason });
  }

  #lost({ id, md5 }: InstanceRecord, archive: string): void {
    const reason = `its sidecar names it${md5 === null ? '' : ` with MD5 ${md5}`}, and ${archive} has lost it`;
    this.#print({ id, destination: archive, outcome: 'lost', code: 'vanished', reason });
  }

  #print(finding: Finding): void {
    const { id, destination, outcome, code, reason } = finding;
    this.#terminal.tell({ type: 'problem', ...finding }, `${outcome}  ${id}  ${destination}  ${reason} (${code})`);
  }
}

function changeOfKept({ level, id, what, number }: KeptValue): Change {
  return { change: 'keep', level, id, what, number };
}

function changeOf(change: ContentChange): Change {
  const { level, id, kind } = change;
  const isPut = kind === 'put-label' || kind === 'put-metadata' || kind === 'put-attachment' || kind === 'protect';
  const word = isPut ? (overwrites(change) ? 'replace' : 'add') : 'remove';
  switch (kind) {
    case 'put-label':
    case 'delete-label': {
      const labelSha256 = createHash('sha256').update(change.label).digest('hex').slice(0, 8);
      return { change: word, level, id, what: 'label', labelSha256 };
    }
    case 'put-metadata':
    case 'delete-metadata':
      return { change: word, level, id, what: 'metadata', number: change.number };
    case 'put-attachment':
    case 'delete-attachment':
      return { change: word, level, id, what: 'attachment', number: change.number };
    case 'protect':
      return { change: word, level, id, what: 'protection' };
  }
}
