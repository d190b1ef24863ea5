import type { RestoredDocument } from '../../core/restore/restore-documents.ts';
import type { Verified } from '../../core/verify/verify.ts';
import { type Problem, problemLine } from '../run/run-report.ts';
import type { Terminal } from '../terminal.ts';

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
  document({ studyId, kind, error }: RestoredDocument, destination: string): void {
    if (kind !== 'failed') return;
    const [code, reason] = [error?.code, error?.message];
    if (this.#json) {
      this.#terminal.printJson({ type: 'problem', id: studyId, destination, outcome: 'document-failed', code, reason });
    } else {
      this.#terminal.print(`document-failed  ${studyId}  ${destination}  ${reason} (${code})`);
    }
  }

  /** Prints nothing if the instance is sound. */
  verified(verified: Verified, destination: string): void {
    const { id, kind } = verified;
    if (kind === 'sound') return;
    const outcome = kind === 'vanished' ? 'missing' : kind;
    const error = kind === 'vanished' ? undefined : verified.error;
    const reason = error?.message ?? `${destination} does not hold it`;
    const code = error?.code ?? 'vanished';
    if (this.#json) this.#terminal.printJson({ type: 'problem', id, destination, outcome, code, reason });
    else this.#terminal.print(`${outcome}  ${id}  ${destination}  ${reason} (${code})`);
  }
}
