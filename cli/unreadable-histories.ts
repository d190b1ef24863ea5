/** Instances of which an archive cannot tell what it had at a moment. */
import type { MirrorError } from '../core/errors.ts';
import type { InstanceId } from '../core/identifiers.ts';
import { type ExitCode, exitCodes, type Outcome } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

/** Tells each once, however many listings of a command meet it. They are left out of what the command does. */
export class UnreadableHistories {
  readonly #told = new Set<InstanceId>();
  readonly #tell: (id: InstanceId, error: MirrorError) => void;
  #rejected = 0;

  constructor(tell: (id: InstanceId, error: MirrorError) => void) {
    this.#tell = tell;
  }

  get count(): number {
    return this.#told.size;
  }

  /** `rejected`: damaged, so that running again gives the same; `failed`: another try may read them. */
  get outcome(): Pick<Outcome, 'rejected' | 'failed'> {
    return { rejected: this.#rejected, failed: this.count - this.#rejected };
  }

  readonly note = (id: InstanceId, error: MirrorError): void => {
    if (this.#told.has(id)) return;
    this.#told.add(id);
    if (error.disposition === 'reject') this.#rejected += 1;
    this.#tell(id, error);
  };
}

/** Of a command that only looks: what it printed is not all where a history could not be read. */
export function exitCodeOfHistories({ count }: UnreadableHistories): ExitCode {
  return count > 0 ? exitCodes.different : exitCodes.ok;
}

/** As of a command that only looks: a line on stderr for each. */
export function tellUnreadable(terminal: Terminal): UnreadableHistories {
  return new UnreadableHistories((id, { code, message }) =>
    terminal.warn(`instance ${id} is left out: ${message} (${code})`),
  );
}
