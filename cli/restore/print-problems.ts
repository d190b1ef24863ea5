import type { InstanceId, Md5, OrthancId } from '../../core/identifiers.ts';
import type { RestoredDocument } from '../../core/restore/restore-documents.ts';
import type { Mended } from '../../core/verify/mend.ts';
import type { Verified } from '../../core/verify/verify.ts';
import { type Problem, problemLine } from '../run/run-report.ts';
import type { Terminal } from '../terminal.ts';

interface Finding {
  readonly id: OrthancId;
  readonly destination: string;
  readonly outcome: string;
  readonly code: string;
  readonly reason: string;
}

/** What is said of an instance whose versions no record tells apart. */
export function unsettledLine(id: InstanceId): string {
  return `instance ${id} has several versions and no record of which counts; the newest was taken`;
}

/** Prints each thing that went wrong as one line, of text or of JSON. */
export class ProblemPrinter {
  readonly #terminal: Terminal;
  readonly #json: boolean;

  constructor(terminal: Terminal, json: boolean) {
    this.#terminal = terminal;
    this.#json = json;
  }

  instance(problem: Problem): void {
    if (this.#json) this.#terminal.printJson(problem);
    else this.#terminal.print(problemLine(problem));
  }

  /** Prints nothing unless the document failed. */
  document({ studyId: id, kind, error }: RestoredDocument, destination: string): void {
    if (kind !== 'failed' || error === undefined) return;
    this.#print({ id, destination, outcome: 'document-failed', code: error.code, reason: error.message });
  }

  /** Prints nothing if the instance is sound. */
  verified(verified: Verified, destination: string): void {
    const { id, kind } = verified;
    if (kind === 'sound') return;
    if (kind === 'vanished') this.missing(id, destination);
    else this.#print({ id, destination, outcome: kind, code: verified.error.code, reason: verified.error.message });
  }

  missing(id: InstanceId, destination: string): void {
    this.#print({ id, destination, outcome: 'missing', code: 'vanished', reason: `${destination} does not hold it` });
  }

  /** Prints that an archive lost the version that counts. */
  lost(id: InstanceId, archive: string, md5: Md5): void {
    const reason = `the object with MD5 ${md5} is gone; bring it back with verify --repair, then restore again`;
    this.#print({ id, destination: archive, outcome: 'lost', code: 'source-corrupt', reason });
  }

  /** Prints what became of a damaged instance. */
  mended(id: InstanceId, destination: string, mended: Mended, otherVersion: boolean): void {
    if (mended.kind === 'not-mended') {
      this.#print({ id, destination, outcome: 'not-mended', code: mended.error.code, reason: mended.error.message });
      return;
    }
    const reason = otherVersion
      ? `mended with another version from ${mended.from}: the one that ${destination} had is nowhere`
      : `mended from ${mended.from}`;
    this.#print({ id, destination, outcome: 'mended', code: 'source-corrupt', reason });
  }

  #print(finding: Finding): void {
    const { id, destination, outcome, code, reason } = finding;
    if (this.#json) this.#terminal.printJson({ type: 'problem', ...finding });
    else this.#terminal.print(`${outcome}  ${id}  ${destination}  ${reason} (${code})`);
  }
}
