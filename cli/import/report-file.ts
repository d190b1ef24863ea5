import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { MirrorError } from '../../core/errors.ts';
import type { LostLine, ReportLine } from '../../core/import/report.ts';
import { printableJson } from '../../core/printable.ts';

/** The file of `--report`, one line of JSON for each file that was found, and for each instance that was lost again. */
export interface ReportFile {
  /** Waits while the disk is slower than the import. Throws `full` or `configuration` if it cannot be written. */
  write(line: ReportLine | LostLine): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens a report file for its owner alone, because names of files can be names of patients.
 * @param path absent: nothing is written
 */
export async function openReportFile(path: string | undefined): Promise<ReportFile> {
  if (path === undefined) {
    return { write: async () => undefined, close: async () => undefined };
  }
  const stream = createWriteStream(path, { flags: 'w', mode: 0o600 });
  let failure: unknown;
  stream.on('error', (error) => {
    failure = error;
  });
  await once(stream, 'open').catch((cause: unknown) => {
    throw new MirrorError('configuration', 'the report file cannot be written; check --report', { cause });
  });
  const throwFailure = () => {
    if (failure !== undefined) {
      throw new MirrorError('full', 'the report file cannot be written any more; free space and run again', {
        cause: failure,
      });
    }
  };
  return {
    async write(line) {
      throwFailure();
      if (!stream.write(`${printableJson(line)}\n`)) {
        await once(stream, 'drain').catch(throwFailure);
      }
    },
    async close() {
      stream.end();
      await finished(stream).catch(throwFailure);
    },
  };
}
