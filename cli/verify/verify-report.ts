/** What `verify` tells: a line for each damaged instance, and the counts. */
import type { Mended } from '../../core/verify/mend.ts';
import type { Verified } from '../../core/verify/verify.ts';
import type { Outcome } from '../exit-codes.ts';
import { formatBytes, formatCount } from '../format.ts';
import type { Progress } from '../progress.ts';
import type { Terminal } from '../terminal.ts';

export class VerifyReport {
  readonly #terminal: Terminal;
  readonly #json: boolean;
  readonly #counts = { sound: 0, damaged: 0, mended: 0, vanished: 0, unread: 0 };
  #bytes = 0;

  constructor(terminal: Terminal, json: boolean) {
    this.#terminal = terminal;
    this.#json = json;
  }

  /** Takes a result in and prints it unless it is sound. `mended` where a repair was tried. */
  add(store: string, result: Verified, mended: Mended | undefined): void {
    this.#counts[result.kind] += 1;
    if (result.kind === 'sound') this.#bytes += result.sizeBytes ?? 0;
    if (mended?.kind === 'mended') this.#counts.mended += 1;
    if (result.kind !== 'damaged' && result.kind !== 'unread') return;
    const { id, md5, kind, error } = result;
    const reason =
      mended?.kind === 'not-mended' ? `${error.message}; not mended: ${mended.error.message}` : error.message;
    if (this.#json) {
      const from = mended?.kind === 'mended' ? mended.from : undefined;
      this.#terminal.printJson({ type: 'problem', id, md5, store, kind, code: error.code, reason, mendedFrom: from });
    } else {
      const mark = mended?.kind === 'mended' ? `mended from ${mended.from}` : kind;
      this.#terminal.print(`! ${id}  ${md5 ?? 'no hash'}  ${store}  ${mark}: ${reason}`);
    }
  }

  progress(): Progress {
    const { sound, damaged, unread } = this.#counts;
    return { instances: sound + damaged + unread, bytes: this.#bytes };
  }

  /** @param futureTimes records and sidecars of the archive with times in the future */
  finish(futureTimes: number): void {
    const { sound, damaged, mended, vanished, unread } = this.#counts;
    if (this.#json) {
      this.#terminal.printJson({ type: 'summary', ...this.#counts, bytes: this.#bytes, futureTimes });
      return;
    }
    this.#terminal.print(
      `sound ${formatCount(sound)}, damaged ${formatCount(damaged)}, mended ${formatCount(mended)}, ` +
        `vanished ${formatCount(vanished)}, unread ${formatCount(unread)} (${formatBytes(this.#bytes)} read)`,
    );
  }

  outcome(): Outcome {
    const { damaged, mended, unread } = this.#counts;
    return { conflicting: 0, rejected: 0, failed: unread, differences: damaged - mended };
  }
}
